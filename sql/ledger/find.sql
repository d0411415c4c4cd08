-- The schemas that hold a ledger: the usual one, whoever made it; else those of the roles that this one may believe; else,
-- for a role that could make none itself, that of others. Stands behind trusted.sql.
, found(name, is_usual, is_believed) AS (
    SELECT namespace.nspname::text, namespace.nspname = %s,
        namespace.nspowner IN (SELECT role FROM trusted) AND relation.relowner IN (SELECT role FROM trusted)
    FROM pg_catalog.pg_class AS relation
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
    WHERE relation.relname = '_ledger' AND relation.relkind = 'r' AND NOT pg_catalog.pg_is_other_temp_schema(namespace.oid)
        AND namespace.oid <> pg_catalog.pg_my_temp_schema()
        AND (
            SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute
            WHERE attrelid = relation.oid AND attname IN ('version', 'program_version', 'created_at') AND NOT attisdropped
        ) = 3
)
SELECT name FROM found
WHERE is_usual OR is_believed OR NOT (
    EXISTS (SELECT FROM found WHERE is_usual OR is_believed)
    OR pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
)
ORDER BY name
