-- What there is of the log, to be compared with what was made. A role is trusted that may not log in and has no members:
-- nobody but a superuser acts as it.
SELECT pg_catalog.pg_get_userbyid(namespace.nspowner)::text,
    COALESCE((SELECT role.rolcanlogin OR role.rolsuper OR role.rolcreaterole FROM pg_catalog.pg_roles AS role
        WHERE role.rolname = 'reconciler_audit'), true),
    ARRAY(SELECT pg_catalog.pg_get_userbyid(membership.member)::text
        FROM pg_catalog.pg_auth_members AS membership
        WHERE pg_catalog.pg_get_userbyid(membership.roleid) = 'reconciler_audit'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS admin WHERE admin.oid = membership.member
                AND (admin.rolsuper OR admin.rolcreaterole))),
    ARRAY(SELECT pg_catalog.jsonb_build_array(trigger.evtname,
            pg_catalog.format('%%s.%%s', function.pronamespace::pg_catalog.regnamespace, function.proname),
            trigger.evtenabled, trigger.evttags IS NULL AND trigger.evtevent = CASE
                WHEN trigger.evtname LIKE '%%end' THEN 'ddl_command_end'
                WHEN trigger.evtname LIKE '%%drop' THEN 'sql_drop' ELSE 'table_rewrite' END)::text
        FROM pg_catalog.pg_event_trigger AS trigger
        JOIN pg_catalog.pg_proc AS function ON function.oid = trigger.evtfoid
        WHERE trigger.evtname = ANY(%(triggers)s)),
    ARRAY(SELECT pg_catalog.jsonb_build_array(function.proname, pg_catalog.pg_get_userbyid(function.proowner),
            pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(function.prosrc, 'UTF8')), 'hex')
                || CASE WHEN function.prosecdef THEN ' definer' ELSE '' END, function.proconfig)::text
        FROM pg_catalog.pg_proc AS function WHERE function.pronamespace = namespace.oid),
    ARRAY(SELECT pg_catalog.jsonb_build_array(relation.relname, pg_catalog.pg_get_userbyid(relation.relowner), CASE
            WHEN relation.relkind <> 'r' THEN 'is no plain table'
            WHEN relation.relrowsecurity THEN 'has row security'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = relation.oid) THEN 'has a trigger'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = relation.oid) THEN 'has a rule'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = relation.oid) THEN 'has child tables'
            END)::text
        FROM pg_catalog.pg_class AS relation
        WHERE relation.relnamespace = namespace.oid AND relation.relname = ANY(%(tables)s)),
    pg_catalog.has_schema_privilege(namespace.oid, 'USAGE') AND COALESCE((
        SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(relation.oid, 'SELECT'))
        FROM pg_catalog.pg_class AS relation
        WHERE relation.relnamespace = namespace.oid AND relation.relname = ANY(%(tables)s)), false)
FROM pg_catalog.pg_namespace AS namespace WHERE namespace.nspname = 'reconciler_audit'
