-- What decides whether the managed schemas can be renamed in the live database: rights, the size of the lock table
-- (https://www.postgresql.org/docs/current/runtime-config-locks.html), and whom the locks of a build would block.
with managed as (select oid from pg_catalog.pg_namespace where nspname = any(%(schemas)s))
select r.rolcreatedb or r.rolsuper,
    pg_is_in_recovery(),
    current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint),
    (select count(*) from pg_catalog.pg_class c where c.relnamespace in (select oid from managed)),
    (select format('%%I.%%I', n.nspname, f.relname) from pg_catalog.pg_constraint o
        join pg_catalog.pg_class f on f.oid = o.confrelid
        join pg_catalog.pg_namespace n on n.oid = f.relnamespace
        where o.contype = 'f' and o.connamespace in (select oid from managed)
            and f.relnamespace not in (select oid from managed) order by 1 limit 1),
    (select e.extname::text from pg_catalog.pg_extension e
        where e.extnamespace in (select oid from managed) and not e.extrelocatable order by 1 limit 1),
    -- The log's own write rows that are rolled back with all else.
    (select t.evtname::text from pg_catalog.pg_event_trigger t where t.evtenabled not in ('D', 'R')
        and not (t.evtname like 'reconciler\_audit\_%%' and t.evtfoid in (select p.oid from pg_catalog.pg_proc p
            where p.pronamespace = pg_catalog.to_regnamespace('reconciler_audit')))
        order by 1 limit 1),
    -- One that by its words could take a number of a sequence, which no rollback gives back.
    (select t.evtname::text from pg_catalog.pg_event_trigger t
        join pg_catalog.pg_proc p on p.oid = t.evtfoid
        join pg_catalog.pg_language l on l.oid = p.prolang
        where t.evtenabled not in ('D', 'R')
            and (l.lanname not in ('sql', 'plpgsql')
                or p.prosrc ~* '\m(call|copy|dblink\w*|execute|insert|lo_\w+|merge|nextval|perform|setval)\M')
            and not (t.evtname like 'reconciler\_audit\_%%'
                and p.pronamespace = pg_catalog.to_regnamespace('reconciler_audit'))
        order by 1 limit 1),
    (select case when s.setrole = 0 then 'database' else 'role' end
        from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c
        where c ~ '^default_transaction_read_only=' and (s.setrole = 0 or pg_catalog.pg_get_userbyid(s.setrole) = session_user)
            and (s.setdatabase = 0
                or s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = current_database()))
        order by s.setrole = 0, s.setdatabase = 0 limit 1),
    current_setting('transaction_read_only')::boolean
from pg_catalog.pg_roles r where r.rolname = current_user
