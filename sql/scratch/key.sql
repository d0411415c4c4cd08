-- What a declaration's build depends on beside its text and what is around the managed schemas: the server, the database's
-- locale, roles, settings, default privileges, and extensions that could be created.
select json_build_object(
    'server', current_setting('server_version'),
    'locale', (select json_build_array(pg_encoding_to_char(encoding), datcollate, datctype, row_to_json(d)) from (
        select encoding, datcollate, datctype,
            --@ if server >= 150000
            datlocprovider,
            --@ end
            --@ if server >= 170000
            datlocale
            --@ else
            null as datlocale
            --@ end
        from pg_database where datname = current_database()) d),
    'user', json_build_array(current_user, session_user),
    'roles', (select coalesce(json_agg(json_build_array(rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb,
            rolbypassrls, rolcanlogin) order by rolname), '[]')
        from pg_roles where rolname = any(%(words)s::text[]) or rolname in (current_user, session_user)),
    'members', (select coalesce(json_agg(json_build_array(o.rolname, m.rolname) order by o.rolname, m.rolname), '[]')
        from pg_auth_members a join pg_roles o on o.oid = a.roleid join pg_roles m on m.oid = a.member),
    -- Those that are ours for a transaction are left out, and those of a library that is loaded, unless they are set.
    'settings', (select json_agg(json_build_array(name, setting) order by name) from pg_settings
        where (name !~ '[.]' or setting <> boot_val) and name <> all(array['application_name', 'client_connection_check_interval',
            'idle_in_transaction_session_timeout', 'idle_session_timeout', 'jit', 'lock_timeout',
            'max_parallel_workers_per_gather', 'row_security', 'search_path', 'statement_timeout', 'transaction_deferrable',
            'transaction_isolation', 'transaction_read_only', 'transaction_timeout'])),
    'of_roles', (select coalesce(json_agg(json_build_array(setdatabase = 0, coalesce(r.rolname, ''), setconfig)
            order by r.rolname, setdatabase), '[]')
        from pg_db_role_setting s left join pg_roles r on r.oid = s.setrole
        where setdatabase in (0, (select oid from pg_database where datname = current_database()))),
    'default_privileges', (select coalesce(json_agg(json_build_array(defaclrole::regrole, defaclnamespace::regnamespace,
            defaclobjtype, defaclacl::text) order by defaclrole, defaclnamespace, defaclobjtype), '[]')
        from pg_default_acl),
    'available', case when %(extensions)s then (select json_agg(json_build_array(name, default_version) order by name)
        from pg_available_extensions) end
)::text
