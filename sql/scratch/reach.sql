-- What of the words of a source names something of the live database outside the managed schemas: functions that are not
-- Postgres's own, relations, and schemas.
with outside as (
    select n.oid, n.nspname from pg_catalog.pg_namespace n
    where n.nspname <> all (%(schemas)s) and n.nspname !~ '^(pg_|information_schema$|reconciler_scratch_)'
)
select
    array(select jsonb_build_object(
            'name', p.proname, 'language', l.lanname, 'immutable', p.provolatile = 'i', 'body', p.prosrc,
            'extension', (select e.extname from pg_catalog.pg_depend d
                join pg_catalog.pg_extension e on e.oid = d.refobjid
                where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid
                    and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'))
        from pg_catalog.pg_proc p join outside o on o.oid = p.pronamespace
        join pg_catalog.pg_language l on l.oid = p.prolang
        where p.proname = any(%(words)s)),
    array(select jsonb_build_array(o.nspname, c.relname)
        from pg_catalog.pg_class c join outside o on o.oid = c.relnamespace
        where c.relname = any(%(words)s) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'i', 'I')),
    array(select o.nspname::text from outside o where o.nspname = any(%(words)s))
