-- Whether this role may read the log, and a digest of the rows that hold what state.sql looks at: as long as it stays the same,
-- so does what that found. Reads catalogs alone, by their indexes, so that nothing of anybody else's is run.
SELECT pg_catalog.has_schema_privilege(namespace.oid, 'USAGE') AND COALESCE((
        SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(relation.oid, 'SELECT'))
        FROM pg_catalog.pg_class AS relation
        WHERE relation.relnamespace = namespace.oid AND relation.relname = ANY(%(tables)s)), false),
    pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.concat_ws(' ', namespace.oid, namespace.xmin,
        (SELECT pg_catalog.concat_ws(' ', role.oid, role.rolcanlogin, role.rolsuper, role.rolcreaterole)
            FROM pg_catalog.pg_roles AS role WHERE role.rolname = 'reconciler_audit'),
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', membership.member, membership.xmin), ' ' ORDER BY membership.member)
            FROM pg_catalog.pg_auth_members AS membership WHERE membership.roleid = namespace.nspowner),
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', trigger.oid, trigger.xmin), ' ' ORDER BY trigger.oid)
            FROM pg_catalog.pg_event_trigger AS trigger WHERE trigger.evtname = ANY(%(triggers)s)),
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', function.oid, function.xmin), ' ' ORDER BY function.oid)
            FROM pg_catalog.pg_proc AS function
            WHERE function.pronamespace = namespace.oid AND function.proname = ANY(%(functions)s)),
        (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', relation.oid, relation.xmin), ' ' ORDER BY relation.oid)
            FROM pg_catalog.pg_class AS relation
            WHERE relation.relnamespace = namespace.oid AND relation.relname = ANY(%(tables)s))
    ), 'UTF8')), 'hex')
FROM pg_catalog.pg_namespace AS namespace WHERE namespace.nspname = 'reconciler_audit'
