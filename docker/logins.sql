-- The logins of this example, after sql/roles.sql: `app` changes the schema that it reconciles, `drift` may only read.
CREATE ROLE app LOGIN PASSWORD 'example' IN ROLE reconciler_migrator;
ALTER ROLE app SET role = 'reconciler_migrator';
CREATE ROLE drift LOGIN PASSWORD 'example' IN ROLE reconciler_reader;
ALTER SCHEMA public OWNER TO reconciler_migrator;
