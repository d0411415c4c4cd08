-- Who holds the advisory lock of this key: (process, role, program, since when its transaction is open, for how many
-- seconds). What this role may not see is null.
select l.pid, a.usename::text, nullif(a.application_name, ''),
    pg_catalog.date_trunc('second', a.xact_start)::text,
    extract(epoch from pg_catalog.clock_timestamp() - a.xact_start)::bigint
from pg_catalog.pg_locks l
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
where l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
    and l.classid::bigint = (%(key)s::bigint >> 32) & 4294967295 and l.objid::bigint = %(key)s::bigint & 4294967295
    and l.mode = 'ExclusiveLock' and l.pid is distinct from pg_catalog.pg_backend_pid()
order by a.xact_start
limit 1
