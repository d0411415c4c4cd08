-- Who holds a lock on one of these relations that conflicts with the mode beside it: (schema, name, process, role, mode,
-- state, since when the transaction is open, for how many seconds, its last statement). What this role may not see is
-- null, as is the process of a prepared transaction.
select n.nspname::text, c.relname::text, l.pid, coalesce(a.usename::text, p.owner::text), l.mode,
    coalesce(a.state, case when p.gid is not null then 'prepared' end),
    pg_catalog.date_trunc('second', coalesce(p.prepared, a.xact_start))::text,
    extract(epoch from pg_catalog.clock_timestamp() - coalesce(p.prepared, a.xact_start))::bigint,
    case when a.query <> '<insufficient privilege>' then a.query end
from unnest(%(relations)s::bigint[], %(exclusive)s::bool[]) w(relation, exclusive)
join pg_catalog.pg_class c on c.oid = w.relation::oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_locks l on l.locktype = 'relation' and l.relation = c.oid and l.granted
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
left join pg_catalog.pg_prepared_xacts p
    on l.pid is null and p.transaction::text = pg_catalog.split_part(l.virtualtransaction, '/', 2)
where l.pid is distinct from pg_catalog.pg_backend_pid()
    and (w.exclusive or l.mode not in ('AccessShareLock', 'RowShareLock'))
order by coalesce(p.prepared, a.xact_start) nulls last, l.pid, 1, 2
limit 3
