-- Everything that these functions name is the system's or has its schema, and nothing of the session's settings changes what
-- they do. jit is off: to compile would cost each statement some 80 ms.

-- The catalog rows that an object consists of, each with the address that pg_depend knows it by, its version and the command
-- that wrote it. Of a relation its parts too, since a statement on one writes rows of the other.
CREATE FUNCTION reconciler_audit.rows_of(class oid, object oid)
RETURNS TABLE (catalog oid, classid oid, objid oid, objsubid integer, version xid, command bigint)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off SET plpgsql.extra_errors = 'none'
SET plpgsql.extra_warnings = 'none' SET standard_conforming_strings = on AS $$
#variable_conflict use_column
BEGIN
    IF class = 'pg_class'::regclass THEN
        RETURN QUERY
        SELECT c.tableoid, class, c.oid, 0, c.xmin, c.cmin::text::bigint FROM pg_class AS c WHERE c.oid = object
        UNION ALL
        SELECT a.tableoid, class, a.attrelid, a.attnum::integer, a.xmin, a.cmin::text::bigint
        FROM pg_attribute AS a WHERE a.attrelid = object AND a.attnum > 0
        UNION ALL
        SELECT d.tableoid, d.tableoid, d.oid, 0, d.xmin, d.cmin::text::bigint FROM pg_attrdef AS d WHERE d.adrelid = object
        UNION ALL
        SELECT o.tableoid, o.tableoid, o.oid, 0, o.xmin, o.cmin::text::bigint FROM pg_constraint AS o WHERE o.conrelid = object
        UNION ALL
        SELECT i.tableoid, class, i.indexrelid, 0, i.xmin, i.cmin::text::bigint
        FROM pg_index AS i WHERE i.indrelid = object OR i.indexrelid = object
        UNION ALL
        SELECT c.tableoid, class, c.oid, 0, c.xmin, c.cmin::text::bigint
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid WHERE i.indrelid = object
        UNION ALL
        SELECT t.tableoid, t.tableoid, t.oid, 0, t.xmin, t.cmin::text::bigint FROM pg_trigger AS t WHERE t.tgrelid = object
        UNION ALL
        SELECT r.tableoid, CASE r.rulename WHEN '_RETURN' THEN class ELSE r.tableoid END,
            CASE r.rulename WHEN '_RETURN' THEN r.ev_class ELSE r.oid END, 0, r.xmin, r.cmin::text::bigint
        FROM pg_rewrite AS r WHERE r.ev_class = object
        UNION ALL
        SELECT p.tableoid, p.tableoid, p.oid, 0, p.xmin, p.cmin::text::bigint FROM pg_policy AS p WHERE p.polrelid = object
        UNION ALL
        SELECT s.tableoid, class, s.seqrelid, 0, s.xmin, s.cmin::text::bigint FROM pg_sequence AS s WHERE s.seqrelid = object
        UNION ALL
        -- An identity column's sequence is a part of it.
        SELECT s.tableoid, class, d.refobjid, d.refobjsubid, s.xmin, s.cmin::text::bigint
        FROM pg_depend AS d JOIN pg_sequence AS s ON s.seqrelid = d.objid
        WHERE d.refclassid = class AND d.refobjid = object AND d.classid = class AND d.deptype = 'i'
        UNION ALL
        SELECT h.tableoid, class, h.inhrelid, 0, h.xmin, h.cmin::text::bigint FROM pg_inherits AS h WHERE h.inhrelid = object
        UNION ALL
        SELECT x.tableoid, x.tableoid, x.oid, 0, x.xmin, x.cmin::text::bigint FROM pg_statistic_ext AS x WHERE x.stxrelid = object
        UNION ALL
        SELECT f.tableoid, class, f.ftrelid, 0, f.xmin, f.cmin::text::bigint FROM pg_foreign_table AS f WHERE f.ftrelid = object
        UNION ALL
        SELECT p.tableoid, class, p.partrelid, 0, p.xmin, p.cmin::text::bigint
        FROM pg_partitioned_table AS p WHERE p.partrelid = object
        UNION ALL
        SELECT d.tableoid, class, d.objid, 0, d.xmin, d.cmin::text::bigint
        FROM pg_depend AS d WHERE d.classid = class AND d.objid = object AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
            AND EXISTS (SELECT FROM pg_sequence AS s WHERE s.seqrelid = object);
    ELSIF has_table_privilege(class, 'SELECT') THEN
        RETURN QUERY EXECUTE format('SELECT tableoid, tableoid, oid, 0, xmin, cmin::text::bigint FROM %s WHERE oid = $1',
            class::regclass) USING object;
        IF class = 'pg_type'::regclass THEN
            RETURN QUERY
            SELECT e.tableoid, class, e.enumtypid, 0, e.xmin, e.cmin::text::bigint FROM pg_enum AS e WHERE e.enumtypid = object
            UNION ALL
            SELECT r.tableoid, class, r.rngtypid, 0, r.xmin, r.cmin::text::bigint FROM pg_range AS r WHERE r.rngtypid = object
            UNION ALL
            SELECT o.tableoid, o.tableoid, o.oid, 0, o.xmin, o.cmin::text::bigint FROM pg_constraint AS o WHERE o.contypid = object
            UNION ALL
            SELECT a.tableoid, class, object, 0, a.xmin, a.cmin::text::bigint
            FROM pg_type AS t JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND a.attnum > 0
            WHERE t.oid = object AND t.typtype = 'c';
        ELSIF class = 'pg_proc'::regclass THEN
            RETURN QUERY
            SELECT a.tableoid, class, object, 0, a.xmin, a.cmin::text::bigint FROM pg_aggregate AS a WHERE a.aggfnoid = object;
        ELSIF class IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) THEN
            RETURN QUERY
            WITH family AS (
                SELECT object AS oid WHERE class = 'pg_opfamily'::regclass
                UNION ALL SELECT c.opcfamily FROM pg_opclass AS c WHERE c.oid = object AND class = 'pg_opclass'::regclass
            )
            SELECT o.tableoid, class, object, 0, o.xmin, o.cmin::text::bigint
            FROM family JOIN pg_amop AS o ON o.amopfamily = family.oid
            UNION ALL
            SELECT p.tableoid, class, object, 0, p.xmin, p.cmin::text::bigint
            FROM family JOIN pg_amproc AS p ON p.amprocfamily = family.oid;
        ELSIF class = 'pg_ts_config'::regclass THEN
            RETURN QUERY
            SELECT m.tableoid, class, object, 0, m.xmin, m.cmin::text::bigint FROM pg_ts_config_map AS m WHERE m.mapcfg = object;
        ELSIF class = 'pg_publication'::regclass THEN
            RETURN QUERY
            SELECT r.tableoid, r.tableoid, r.oid, 0, r.xmin, r.cmin::text::bigint FROM pg_publication_rel AS r WHERE r.prpubid = object;
            --@ if server >= 150000
            RETURN QUERY
            SELECT n.tableoid, n.tableoid, n.oid, 0, n.xmin, n.cmin::text::bigint
            FROM pg_publication_namespace AS n WHERE n.pnpubid = object;
            --@ end
        END IF;
    END IF;
    RETURN QUERY
    SELECT d.tableoid, d.classoid, d.objoid, d.objsubid, d.xmin, d.cmin::text::bigint
    FROM pg_description AS d WHERE d.objoid = object AND d.classoid = class
    UNION ALL
    SELECT l.tableoid, l.classoid, l.objoid, l.objsubid, l.xmin, l.cmin::text::bigint
    FROM pg_seclabel AS l WHERE l.objoid = object AND l.classoid = class;
END $$;

-- The table that an object is a part of, or a relation itself.
CREATE FUNCTION reconciler_audit.relation_of(class oid, object oid) RETURNS oid LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT CASE class
        WHEN 'pg_class'::regclass THEN coalesce((SELECT i.indrelid FROM pg_index AS i WHERE i.indexrelid = object), object)
        WHEN 'pg_trigger'::regclass THEN (SELECT t.tgrelid FROM pg_trigger AS t WHERE t.oid = object)
        WHEN 'pg_constraint'::regclass THEN (SELECT nullif(o.conrelid, 0) FROM pg_constraint AS o WHERE o.oid = object)
        WHEN 'pg_rewrite'::regclass THEN (SELECT r.ev_class FROM pg_rewrite AS r WHERE r.oid = object)
        WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy AS p WHERE p.oid = object)
        WHEN 'pg_attrdef'::regclass THEN (SELECT d.adrelid FROM pg_attrdef AS d WHERE d.oid = object)
        WHEN 'pg_statistic_ext'::regclass THEN (SELECT x.stxrelid FROM pg_statistic_ext AS x WHERE x.oid = object)
        WHEN 'pg_publication_rel'::regclass THEN (SELECT r.prrelid FROM pg_publication_rel AS r WHERE r.oid = object)
    END $$;

-- Whether the transaction at hand wrote a row version that it can see. One of somebody else who committed meanwhile is as
-- young, but committed; one of somebody else that is in progress cannot be seen.
CREATE FUNCTION reconciler_audit.is_mine(version xid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    SELECT CASE WHEN age(version) <= age(pg_current_xact_id()::xid) THEN pg_xact_status(
        (pg_current_xact_id()::text::numeric + age(pg_current_xact_id()::xid) - age(version))::text::xid8) = 'in progress'
    ELSE false END $$;

-- What a GRANT or the like changed, of which Postgres tells a kind of objects and no object.
CREATE FUNCTION reconciler_audit.granted(kind text) RETURNS TABLE (classid oid, objid oid, objsubid integer, catalog oid,
    version xid, command bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH found(classid, objid, objsubid, catalog, version, command) AS (
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_class
        WHERE kind IN ('TABLE', 'SEQUENCE', '') AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT 'pg_class'::regclass, attrelid, attnum::integer, tableoid, xmin, cmin::text::bigint FROM pg_attribute
        WHERE kind IN ('TABLE', '') AND attacl IS NOT NULL AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_proc
        WHERE kind IN ('FUNCTION', 'PROCEDURE', 'ROUTINE', '') AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_type
        WHERE kind IN ('TYPE', 'DOMAIN', '') AND typrelid = 0 AND typelem = 0 AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_namespace
        WHERE kind IN ('SCHEMA', '') AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_default_acl
        WHERE kind IN ('DEFAULT PRIVILEGES', '') AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_language
        WHERE kind IN ('LANGUAGE', '') AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_foreign_server
        WHERE kind IN ('FOREIGN SERVER', '') AND age(xmin) <= age(pg_current_xact_id()::xid)
        UNION ALL
        SELECT tableoid, oid, 0, tableoid, xmin, cmin::text::bigint FROM pg_foreign_data_wrapper
        WHERE kind IN ('FOREIGN DATA WRAPPER', '') AND age(xmin) <= age(pg_current_xact_id()::xid)
    )
    SELECT * FROM found WHERE reconciler_audit.is_mine(version) $$;

-- The statement where it can hold no secret, cut; what is left is masked once more before anybody sees it.
CREATE FUNCTION reconciler_audit.without_secrets(tag text, said text) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on AS $$
    SELECT CASE
        WHEN tag ~ 'USER MAPPING|SUBSCRIPTION|SERVER|FOREIGN|ROLE' THEN NULL
        WHEN said ~* 'user\s+mapping|subscription|dblink|conninfo|\moptions\s*\('
            OR said ~* 'passw\w*"?\s*(/\*.*\*/\s*)?[=(,]?\s*(e|u&|b|x)?[''$]'
            OR said ~* '\m(role|user|group|server)\M.*(passw|secret|token|credential|\mexecute\M)'
            OR said ~* '(passw|secret|token|credential|\mexecute\M).*\m(role|user|group|server)\M'
            OR said ~* 'u&["'']' THEN NULL
        ELSE left(regexp_replace(said, '://[^/?#@\s'']*:[^/?#@\s'']*@', '://********@', 'g'), 16000)
    END $$;

--@ if server >= 160000
CREATE FUNCTION reconciler_audit.authenticated() RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT system_user $$;
--@ else
CREATE FUNCTION reconciler_audit.authenticated() RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT NULL::text $$;
--@ end

-- The first of the two triggers of an event, with the rights of whoever runs the statement: only here is it seen as whom.
CREATE FUNCTION reconciler_audit.note_role() RETURNS event_trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp SET plpgsql.extra_errors = 'none' SET plpgsql.extra_warnings = 'none' AS $$
BEGIN
    PERFORM set_config('reconciler_audit.role', current_user::text, true);
END $$;

-- The second writes, with the rights of the log's owner. No statement fails because of it: it warns. It waits for no lock of
-- its own longer than a moment; what cancels the statement cancels it too.
CREATE FUNCTION reconciler_audit.write() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET lock_timeout = '250ms'
SET standard_conforming_strings = on SET plpgsql.extra_errors = 'none' SET plpgsql.extra_warnings = 'none'
SET reconciler_audit.notify = 'off' AS $$
DECLARE
    stack text;
    written bigint;
BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    WITH session AS MATERIALIZED (
        SELECT control.system_identifier AS system, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()) AS database,
            activity.usesysid, activity.backend_start,
            reconciler_audit.without_secrets(tg_tag, current_query()) AS statement,
            reconciler_audit.without_secrets(tg_tag, nullif(regexp_replace(stack, '^[^\n]*\n?', ''), '')) AS context
        FROM pg_control_system() AS control, pg_stat_get_activity(pg_backend_pid()) AS activity
    ),
    told AS MATERIALIZED (
        SELECT row_number() OVER () AS place, c.command_tag, c.classid, c.objid, c.objsubid, c.object_type, c.object_identity,
            c.schema_name, c.in_extension, reconciler_audit.relation_of(c.classid, c.objid) AS relation
        FROM pg_event_trigger_ddl_commands() AS c
        WHERE tg_event = 'ddl_command_end'
    ),
    commands AS MATERIALIZED (
        SELECT * FROM told WHERE objid IS NOT NULL AND NOT in_extension AND schema_name IS DISTINCT FROM 'pg_temp'
    ),
    -- The rows of a table are written down with one of the commands on it, those of its children with the same.
    heads AS (
        SELECT DISTINCT ON (relation) relation, place, command_tag FROM commands WHERE relation IS NOT NULL
        ORDER BY relation, objid <> relation, place
    ),
    relations AS (
        WITH RECURSIVE below(place, relation) AS (
            SELECT place, relation FROM heads
            UNION SELECT below.place, h.inhrelid FROM below JOIN pg_inherits AS h ON h.inhparent = below.relation
        )
        SELECT place, relation FROM below
    ),
    seen AS (
        SELECT relations.place, own.* FROM relations, reconciler_audit.rows_of('pg_class'::regclass, relations.relation) AS own
        UNION
        SELECT commands.place, own.* FROM commands, reconciler_audit.rows_of(commands.classid, commands.objid) AS own
        WHERE commands.classid <> 'pg_class'::regclass OR commands.objid <> commands.relation
    ),
    -- CREATE INDEX CONCURRENTLY takes several transactions: the last one, in which this runs, has not made the index's row.
    concurrent AS (
        SELECT commands.place FROM commands JOIN pg_class AS c ON c.oid = commands.objid
        WHERE commands.command_tag = 'CREATE INDEX' AND commands.classid = 'pg_class'::regclass
            AND NOT reconciler_audit.is_mine(c.xmin)
    ),
    left_behind AS (
        SELECT seen.place,
            array_agg(concat_ws(':', seen.catalog, seen.classid, seen.objid, seen.objsubid, seen.version)
                ORDER BY seen.catalog, seen.classid, seen.objid, seen.objsubid) AS versions,
            array_agg(seen.command ORDER BY seen.catalog, seen.classid, seen.objid, seen.objsubid) AS commands
        FROM seen JOIN commands ON commands.place = seen.place
        WHERE reconciler_audit.is_mine(seen.version)
            OR (seen.objid = commands.objid AND seen.place IN (SELECT place FROM concurrent))
        GROUP BY seen.place
    ),
    changes AS (
        SELECT commands.place, tg_event AS event, commands.command_tag AS tag, commands.classid, commands.objid, commands.objsubid,
            commands.object_type, commands.object_identity AS identity, NULL::text[] AS names, commands.relation,
            left_behind.versions, left_behind.commands
        FROM commands LEFT JOIN left_behind ON left_behind.place = commands.place
        UNION ALL
        SELECT 0, tg_event, tg_tag, granted.classid, granted.objid, granted.objsubid, object.type, object.identity, NULL,
            reconciler_audit.relation_of(granted.classid, granted.objid),
            ARRAY[concat_ws(':', granted.catalog, granted.classid, granted.objid, granted.objsubid, granted.version)],
            ARRAY[granted.command]
        FROM (SELECT DISTINCT CASE command_tag WHEN 'ALTER DEFAULT PRIVILEGES' THEN 'DEFAULT PRIVILEGES' ELSE upper(object_type) END
                AS kind FROM told
            WHERE objid IS NULL AND NOT in_extension AND command_tag IN ('GRANT', 'REVOKE', 'ALTER DEFAULT PRIVILEGES')
            UNION SELECT '' WHERE tg_event = 'ddl_command_end' AND tg_tag = 'DROP OWNED') AS kinds,
            reconciler_audit.granted(kinds.kind) AS granted,
            pg_identify_object(granted.classid, granted.objid, granted.objsubid) AS object
        WHERE object.schema IS DISTINCT FROM 'pg_temp'
    )
    INSERT INTO reconciler_audit.ddl (system, database, xid, at, event, tag, classid, objid, objsubid, object_type, identity, names,
        relation, login_role, session_role, effective_role, authenticated, application, client, pid, backend_start, statement,
        context, versions, commands)
    SELECT session.system, session.database, pg_current_xact_id(), clock_timestamp(), changes.event, changes.tag, changes.classid,
        changes.objid, changes.objsubid, changes.object_type, changes.identity, changes.names, changes.relation,
        pg_get_userbyid(session.usesysid), session_user, current_setting('reconciler_audit.role', true),
        reconciler_audit.authenticated(), left(current_setting('application_name'), 64), inet_client_addr(), pg_backend_pid(),
        session.backend_start, session.statement, session.context, changes.versions, changes.commands
    FROM changes, session ORDER BY changes.place;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written > 0 AND current_setting('reconciler_audit.notify') = 'on' THEN
        PERFORM pg_notify('reconciler_audit', '');
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'reconciler_audit: % was not logged: %', tg_tag, sqlerrm;
END $$;

CREATE FUNCTION reconciler_audit.write_drop() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off SET lock_timeout = '250ms'
SET standard_conforming_strings = on SET plpgsql.extra_errors = 'none' SET plpgsql.extra_warnings = 'none'
SET reconciler_audit.notify = 'off' AS $$
DECLARE
    stack text;
    rewritten oid;
    written bigint;
BEGIN
    GET DIAGNOSTICS stack = PG_CONTEXT;
    -- Not in the query: to estimate a plan that serves any event, Postgres calls it, and it fails in any other.
    IF tg_event = 'table_rewrite' THEN
        rewritten := pg_event_trigger_table_rewrite_oid();
    END IF;
    WITH session AS MATERIALIZED (
        SELECT control.system_identifier AS system, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()) AS database,
            activity.usesysid, activity.backend_start,
            reconciler_audit.without_secrets(tg_tag, current_query()) AS statement,
            reconciler_audit.without_secrets(tg_tag, nullif(regexp_replace(stack, '^[^\n]*\n?', ''), '')) AS context
        FROM pg_control_system() AS control, pg_stat_get_activity(pg_backend_pid()) AS activity
    ),
    dropped AS MATERIALIZED (
        SELECT c.classid, c.objid, c.objsubid, c.object_type, c.object_identity, c.original, c.normal,
            c.address_names, c.address_args
        FROM pg_event_trigger_dropped_objects() AS c
        WHERE tg_event = 'sql_drop' AND NOT c.is_temporary
            AND c.object_type NOT IN ('toast table', 'toast column', 'publication namespace')
    ),
    changes AS (
        -- Parts of a table that is dropped as a whole go with it, members of an extension with that.
        SELECT dropped.classid, dropped.objid, dropped.objsubid, dropped.object_type, dropped.object_identity AS identity,
            dropped.address_names || dropped.address_args AS names
        FROM dropped
        WHERE dropped.original OR dropped.normal OR (dropped.classid <> 'pg_type'::regclass AND NOT EXISTS (
            SELECT FROM dropped AS whole
            WHERE whole.object_type = 'extension'
                OR (whole.classid = 'pg_class'::regclass AND whole.objsubid = 0
                    AND whole.address_names = dropped.address_names[1:2]
                    AND (whole.classid, whole.objid) <> (dropped.classid, dropped.objid))
        ))
        UNION ALL
        SELECT 'pg_class'::regclass, c.oid, 0, 'table', pg_catalog.format('%I.%I', n.nspname, c.relname), NULL
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't'
            AND c.oid = rewritten
    )
    INSERT INTO reconciler_audit.ddl (system, database, xid, at, event, tag, classid, objid, objsubid, object_type, identity, names,
        relation, login_role, session_role, effective_role, authenticated, application, client, pid, backend_start, statement,
        context)
    SELECT session.system, session.database, pg_current_xact_id(), clock_timestamp(), tg_event, tg_tag, changes.classid,
        changes.objid, changes.objsubid, changes.object_type, changes.identity, changes.names,
        CASE changes.classid WHEN 'pg_class'::regclass THEN changes.objid END,
        pg_get_userbyid(session.usesysid), session_user, current_setting('reconciler_audit.role', true),
        reconciler_audit.authenticated(), left(current_setting('application_name'), 64), inet_client_addr(), pg_backend_pid(),
        session.backend_start, session.statement, session.context
    FROM changes, session;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written > 0 AND current_setting('reconciler_audit.notify') = 'on' THEN
        PERFORM pg_notify('reconciler_audit', '');
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'reconciler_audit: % was not logged: %', tg_tag, sqlerrm;
END $$;

-- The rows between two snapshots, in the form that is hashed: nothing of the session changes it.
CREATE FUNCTION reconciler_audit.digest_of(since pg_snapshot, until pg_snapshot, before bytea, OUT hash bytea, OUT rows bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET jit = off SET timezone = 'UTC' SET datestyle = 'ISO, MDY' AS $$
    SELECT sha256(before || coalesce(string_agg(sha256(convert_to(d::text, 'UTF8')), '' ORDER BY d.id), '')), count(*)
    FROM reconciler_audit.ddl AS d
    WHERE d.xid < pg_snapshot_xmax(until) AND pg_visible_in_snapshot(d.xid, until)
        AND (since IS NULL OR (d.xid >= pg_snapshot_xmin(since) AND NOT pg_visible_in_snapshot(d.xid, since))) $$;

-- One more seal over what became visible since the last one; no row where nothing did, or where somebody else just did it.
CREATE FUNCTION reconciler_audit.seal_now() RETURNS SETOF reconciler_audit.seal LANGUAGE sql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH last AS (SELECT id, until, hash FROM reconciler_audit.seal ORDER BY id DESC LIMIT 1),
    here AS (SELECT pg_current_snapshot() AS until),
    digest AS (
        SELECT here.until, found.hash, found.rows
        FROM here, reconciler_audit.digest_of((SELECT until FROM last), here.until, coalesce((SELECT hash FROM last), '')) AS found
    )
    INSERT INTO reconciler_audit.seal (previous, at, since, until, rows, hash)
    SELECT coalesce((SELECT id FROM last), 0), clock_timestamp(), (SELECT until FROM last), until, rows, hash
    FROM digest WHERE rows > 0
    ON CONFLICT (previous) DO NOTHING RETURNING * $$;

-- The seals that their rows or the seals before them do not match any more, oldest first.
CREATE FUNCTION reconciler_audit.broken_seals() RETURNS TABLE (id bigint, at timestamptz, what text) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET jit = off AS $$
    WITH chain AS (
        SELECT s.*, lag(s.id, 1, 0::bigint) OVER (ORDER BY s.id) AS expected, lag(s.until) OVER (ORDER BY s.id) AS expected_since,
            coalesce(lag(s.hash) OVER (ORDER BY s.id), '') AS before
        FROM reconciler_audit.seal AS s
    )
    SELECT chain.id, chain.at, CASE
            WHEN chain.previous <> chain.expected OR chain.since::text IS DISTINCT FROM chain.expected_since::text
                THEN 'a seal before it is missing'
            ELSE pg_catalog.format('%s rows were sealed, %s are there, or they were changed', chain.rows, found.rows) END
    FROM chain CROSS JOIN LATERAL reconciler_audit.digest_of(chain.since, chain.until, chain.before) AS found
    WHERE chain.previous <> chain.expected OR chain.since::text IS DISTINCT FROM chain.expected_since::text
        OR (NOT chain.pruned AND found.hash <> chain.hash)
    ORDER BY chain.id $$;
