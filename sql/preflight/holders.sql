-- Who holds a lock that a statement of the plan will wait for, for longer than a moment: (who, schema, table, seconds,
-- state). Locks that give way by themselves (autovacuum) are left out. A time that this role may not see is null.
select case when l.pid is null then concat('prepared transaction ', p.gid)
        else concat('process ', l.pid, ' of ', coalesce(a.usename::text, 'another role')) end,
    w.schema, w.name,
    extract(epoch from clock_timestamp() - coalesce(p.prepared, a.xact_start))::bigint,
    coalesce(a.state, '')
from unnest(%(schemas)s::text[], %(tables)s::text[], %(exclusive)s::bool[]) w(schema, name, exclusive)
join pg_catalog.pg_namespace n on n.nspname = w.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name
join pg_catalog.pg_locks l on l.locktype = 'relation' and l.relation = c.oid and l.granted
    and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
left join pg_catalog.pg_stat_activity a on a.pid = l.pid
left join pg_catalog.pg_prepared_xacts p
    on l.pid is null and p.transaction::text = pg_catalog.split_part(l.virtualtransaction, '/', 2)
where l.pid is distinct from pg_catalog.pg_backend_pid()
    and (w.exclusive or l.mode not in ('AccessShareLock', 'RowShareLock'))
    and coalesce(a.backend_type, '') <> 'autovacuum worker'
    and (l.pid is null or a.xact_start is null or a.xact_start < clock_timestamp() - %(older_s)s * interval '1 second')
union
-- Building an index CONCURRENTLY waits for every transaction that began before.
select concat('process ', a.pid, ' of ', coalesce(a.usename::text, 'another role')), null, null,
    extract(epoch from clock_timestamp() - a.xact_start)::bigint, coalesce(a.state, '')
from pg_catalog.pg_stat_activity a
where %(waits_for_all)s and a.datname = pg_catalog.current_database() and a.pid <> pg_catalog.pg_backend_pid()
    and a.backend_xmin is not null and a.backend_type <> 'autovacuum worker'
    and a.xact_start < clock_timestamp() - %(older_s)s * interval '1 second'
order by 1, 2, 3
