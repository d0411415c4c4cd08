-- What of the ledger is not as reconciler makes it: the object, what is wrong with it, the statement that mends it. Stands
-- behind trusted.sql. Each part of a table can run code with the rights of whoever writes the table, or changes what is
-- written.
, ledger AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace WHERE nspname = %(schema)s
),
part AS (
    SELECT relation.oid, relation.relname, relation.relkind, relation.relowner, relation.relacl, relation.relrowsecurity,
        relation.relforcerowsecurity, pg_catalog.format('%%I.%%I', ledger.nspname, relation.relname) AS name,
        CASE relation.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
            WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END AS kind
    FROM ledger JOIN pg_catalog.pg_class AS relation ON relation.relnamespace = ledger.oid
    WHERE relation.relname = ANY(%(tables)s) OR relation.relname = ANY(%(sequences)s)
),
-- Our own defaults, as every version prints them when the schema's name is left out.
expected(relname, attname, text) AS (
    VALUES ('_migrations', 'id', 'nextval(''_migrations_id_seq''::regclass)'),
        ('_journal', 'dialect', '''postgresql''::text'),
        ('_journal', 'entries', '''[]''::jsonb'),
        ('_snapshots', 'id', 'nextval(''_snapshots_id_seq''::regclass)'),
        ('_snapshots', 'created_at', 'now()'),
        ('_ledger', 'created_at', 'now()'),
        ('_runs', 'statement_count', '0'),
        ('_runs', 'database_user', 'SESSION_USER'),
        ('_runs', 'client_address', 'inet_client_addr()'),
        ('_runs', 'application_name', 'current_setting(''application_name''::text)'),
        ('_statements', 'hazards', '''[]''::jsonb'),
        ('_statements', 'transactional', 'true'),
        ('_marks', 'scope', '''{}''::jsonb'),
        ('_marks', 'updated_at', 'now()'),
        ('_steps', 'duration_ms', '''{}''::double precision[]'),
        ('_steps', 'started_at', 'clock_timestamp()')
),
-- What initdb made is in no dependency: whatever is found here was made by somebody.
code AS NOT MATERIALIZED (
    SELECT dependency.classid, dependency.objid, dependency.objsubid,
        pg_catalog.pg_describe_object(dependency.refclassid, dependency.refobjid, 0) AS uses
    FROM pg_catalog.pg_depend AS dependency
    WHERE dependency.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
            'pg_catalog.pg_type'::pg_catalog.regclass, 'pg_catalog.pg_opclass'::pg_catalog.regclass,
            'pg_catalog.pg_collation'::pg_catalog.regclass)
        AND dependency.deptype = 'n'
),
granted AS (
    SELECT part.relowner AS owner, part.kind || ' ' || part.name AS object, '' AS columns, acl.grantee, acl.privilege_type
    FROM part CROSS JOIN pg_catalog.aclexplode(part.relacl) AS acl
    UNION ALL
    SELECT part.relowner, part.kind || ' ' || part.name, pg_catalog.format(' (%%I)', attribute.attname), acl.grantee,
        acl.privilege_type
    FROM part JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = part.oid
    CROSS JOIN pg_catalog.aclexplode(attribute.attacl) AS acl
    UNION ALL
    SELECT ledger.nspowner, pg_catalog.format('SCHEMA %%I', ledger.nspname), '', acl.grantee, acl.privilege_type
    FROM ledger CROSS JOIN pg_catalog.aclexplode(ledger.nspacl) AS acl
    WHERE acl.privilege_type = 'CREATE'
),
found(rank, object, what, mending) AS (
    SELECT 1, pg_catalog.format('schema %%I', nspname),
        pg_catalog.format('belongs to role %%I', pg_catalog.pg_get_userbyid(nspowner)),
        pg_catalog.format('ALTER SCHEMA %%I OWNER TO %%I', nspname, current_user)
    FROM ledger WHERE nspowner NOT IN (SELECT role FROM trusted)
    UNION ALL
    SELECT 2, pg_catalog.lower(kind) || ' ' || name,
        pg_catalog.format('belongs to role %%I', pg_catalog.pg_get_userbyid(relowner)),
        pg_catalog.format('ALTER %%s %%s OWNER TO %%I', kind, name, current_user)
    FROM part
    -- A sequence of a serial column follows its table, and cannot be given away by itself.
    WHERE relowner NOT IN (SELECT role FROM trusted) AND NOT (relkind = 'S' AND EXISTS (
        SELECT FROM pg_catalog.pg_depend AS owned JOIN part AS owning ON owning.oid = owned.refobjid
        WHERE owned.objid = part.oid AND owned.deptype IN ('a', 'i')))
    UNION ALL
    SELECT 3, name, 'is no plain table, but a ' || CASE relkind WHEN 'p' THEN 'partitioned table' ELSE pg_catalog.lower(kind) END,
        pg_catalog.format('DROP %%s %%s', kind, name)
    FROM part WHERE relkind <> CASE WHEN relname = ANY(%(tables)s) THEN 'r' ELSE 'S' END::"char"
    UNION ALL
    SELECT 4, name,
        CASE WHEN trigger.tgconstraint = 0 THEN pg_catalog.format('has trigger %%I, which calls %%s', trigger.tgname,
            trigger.tgfoid::pg_catalog.regprocedure)
        ELSE pg_catalog.format('has foreign key %%I of %%s', key.conname, key.conrelid::pg_catalog.regclass) END,
        CASE WHEN key.contype = 'f' THEN pg_catalog.format('ALTER TABLE %%s DROP CONSTRAINT %%I',
            key.conrelid::pg_catalog.regclass, key.conname)
        ELSE pg_catalog.format('DROP TRIGGER %%I ON %%s', trigger.tgname, name) END
    FROM part JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = part.oid
    LEFT JOIN pg_catalog.pg_constraint AS key ON key.oid = trigger.tgconstraint
    UNION ALL
    SELECT 5, name, pg_catalog.format('has rule %%I', rule.rulename), pg_catalog.format('DROP RULE %%I ON %%s', rule.rulename, name)
    FROM part JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = part.oid WHERE part.relkind IN ('r', 'p')
    UNION ALL
    SELECT 6, name, 'has row security', pg_catalog.format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', name)
    FROM part WHERE relrowsecurity OR relforcerowsecurity
    UNION ALL
    SELECT 7, name, pg_catalog.format('has policy %%I', policy.polname), pg_catalog.format('DROP POLICY %%I ON %%s', policy.polname, name)
    FROM part JOIN pg_catalog.pg_policy AS policy ON policy.polrelid = part.oid
    UNION ALL
    SELECT 8, name, pg_catalog.format('is inherited by %%s', link.inhrelid::pg_catalog.regclass),
        pg_catalog.format('ALTER TABLE %%s NO INHERIT %%s', link.inhrelid::pg_catalog.regclass, name)
    FROM part JOIN pg_catalog.pg_inherits AS link ON link.inhparent = part.oid WHERE part.relkind = 'r'
    UNION ALL
    SELECT 9, name, pg_catalog.format('has column %%I of type %%s', attribute.attname,
            pg_catalog.format_type(attribute.atttypid, attribute.atttypmod)),
        pg_catalog.format('ALTER TABLE %%s DROP COLUMN %%I', name, attribute.attname)
    FROM part JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = part.oid
    JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
    WHERE attribute.attnum > 0 AND part.relkind = 'r'
        AND (type.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace OR attribute.attgenerated <> '')
    UNION ALL
    SELECT 10, name, pg_catalog.format('has default %%s of column %%I', given.text, attribute.attname),
        pg_catalog.format('ALTER TABLE %%s ALTER COLUMN %%I %%s', name, attribute.attname,
            COALESCE('SET DEFAULT ' || pg_catalog.replace(expected.text, '(''_', pg_catalog.format('(''%%I._', %(schema)s::text)),
                'DROP DEFAULT'))
    FROM part JOIN pg_catalog.pg_attrdef AS stored ON stored.adrelid = part.oid
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = part.oid AND attribute.attnum = stored.adnum
    CROSS JOIN LATERAL pg_catalog.replace(pg_catalog.pg_get_expr(stored.adbin, stored.adrelid),
        pg_catalog.format('%%I.', %(schema)s::text), '') AS given(text)
    LEFT JOIN expected ON expected.relname = part.relname AND expected.attname = attribute.attname
    WHERE attribute.attgenerated = '' AND given.text IS DISTINCT FROM expected.text
    UNION ALL
    SELECT 11, name, pg_catalog.format('has constraint %%I, which uses %%s', made.conname, code.uses),
        pg_catalog.format('ALTER TABLE %%s DROP CONSTRAINT %%I', name, made.conname)
    FROM part JOIN pg_catalog.pg_constraint AS made ON made.conrelid = part.oid
    JOIN code ON code.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND code.objid = made.oid
    UNION ALL
    SELECT 12, name, pg_catalog.format('has index %%s, which uses %%s', made.indexrelid::pg_catalog.regclass, code.uses),
        pg_catalog.format('DROP INDEX %%s', made.indexrelid::pg_catalog.regclass)
    FROM part JOIN pg_catalog.pg_index AS made ON made.indrelid = part.oid
    JOIN code ON code.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND code.objid = made.indexrelid
    UNION ALL
    SELECT 13, name, pg_catalog.format('has statistics %%I, which use %%s', made.stxname, code.uses),
        pg_catalog.format('DROP STATISTICS %%I.%%I', made.stxnamespace::pg_catalog.regnamespace, made.stxname)
    FROM part JOIN pg_catalog.pg_statistic_ext AS made ON made.stxrelid = part.oid
    JOIN code ON code.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass AND code.objid = made.oid
    UNION ALL
    SELECT 14, pg_catalog.lower(pg_catalog.split_part(object, ' ', 1)) || pg_catalog.substr(object, pg_catalog.strpos(object, ' ')),
        pg_catalog.format('gives %%s%%s to %%s', privilege_type, columns, who.name),
        pg_catalog.format('REVOKE %%s%%s ON %%s FROM %%s', privilege_type, columns, object, who.name)
    FROM granted
    CROSS JOIN LATERAL (SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.format('%%I', pg_catalog.pg_get_userbyid(grantee))
        END) AS who(name)
    WHERE grantee <> owner AND grantee NOT IN (SELECT role FROM trusted)
        AND CASE grantee WHEN 0 THEN privilege_type <> 'SELECT'
            ELSE privilege_type IN ('CREATE', 'REFERENCES', 'TRIGGER') AND NOT pg_catalog.pg_has_role(grantee, owner, 'MEMBER') END
)
SELECT DISTINCT ON (rank, object, what) object, what, mending FROM found
-- Who may write nothing is refused by Postgres, which says which right is missing.
WHERE EXISTS (SELECT FROM ledger WHERE pg_catalog.has_schema_privilege(ledger.oid, 'CREATE'))
    OR EXISTS (SELECT FROM part WHERE relkind <> 'S' AND pg_catalog.has_table_privilege(part.oid, 'INSERT, UPDATE, DELETE'))
ORDER BY rank, object, what
