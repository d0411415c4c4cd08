-- The roles with which reconciler works in one database, with the least rights. Run it once in that database with psql
-- or any client, as a role that may make roles and owns the database (a superuser where `public` is to be managed on
-- Postgres 14). Then give logins to them, and the migrator the schemas that it is to manage:
--
--     CREATE ROLE deploy LOGIN IN ROLE reconciler_migrator;
--     ALTER ROLE deploy SET role = 'reconciler_migrator';     -- what it makes belongs to the group, not to the login
--     CREATE ROLE drift LOGIN IN ROLE reconciler_reader;
--     ALTER SCHEMA public OWNER TO reconciler_migrator;       -- or any other schema; new ones it makes itself
--
-- reconciler_reader    reads catalogs and the ledger: check (without a source), status, history, show, dump
-- reconciler_migrator  everything else: plan, apply, check with a source, repair, adopt, rollback, reset, at start-up
-- reconciler_ledger    owns the ledger's schema (`migrations`, or write the one that you name) and nothing else
--
-- The application itself needs none of them. Scratch `database` needs CREATEDB: ALTER ROLE reconciler_migrator CREATEDB.
CREATE ROLE reconciler_ledger NOLOGIN;
CREATE ROLE reconciler_migrator NOLOGIN IN ROLE reconciler_ledger;
CREATE ROLE reconciler_reader NOLOGIN;

DO $$
BEGIN
    -- To make schemas, and to set managed ones aside for a moment in scratch.
    EXECUTE pg_catalog.format('GRANT CREATE ON DATABASE %I TO reconciler_migrator', pg_catalog.current_database());
END
$$;

CREATE SCHEMA migrations;
GRANT USAGE ON SCHEMA migrations TO reconciler_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE reconciler_migrator IN SCHEMA migrations GRANT SELECT ON TABLES TO reconciler_reader;
ALTER SCHEMA migrations OWNER TO reconciler_ledger;
