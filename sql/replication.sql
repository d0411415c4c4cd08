-- Who reads this server's write-ahead log, and which publications this role may alter:
-- (what, name, plugin, active, here, lag_bytes, lag_s, seen).
-- `here` is whether a logical slot is of this database, and whether a standby replays what it gets. A role that may not
-- read pg_stat_replication sees that somebody is connected there, and nothing else: `seen` is false.
with reader as (
    select r.pid, r.application_name::text, r.state, r.replay_lsn is not null as replays,
        coalesce(r.replay_lsn, r.flush_lsn) as reached, pg_catalog.date_part('epoch', r.replay_lag) as lag_s,
        s.slot_name::text, s.slot_type
    from pg_catalog.pg_stat_replication r
    left join pg_catalog.pg_replication_slots s on s.active_pid OPERATOR(pg_catalog.=) r.pid
    where r.state is distinct from 'backup'
), written as (
    select case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_current_wal_lsn() end as lsn
)
select 'slot' as what, s.slot_name::text as name, s.plugin::text, s.active,
    s.slot_type OPERATOR(pg_catalog.=) 'logical'
        and s.database OPERATOR(pg_catalog.=) pg_catalog.current_database() as here,
    pg_catalog.pg_wal_lsn_diff(w.lsn, coalesce(r.reached, s.confirmed_flush_lsn, s.restart_lsn))::bigint as lag_bytes,
    case when r.reached OPERATOR(pg_catalog.<) w.lsn then r.lag_s end as lag_s,
    not s.active or r.state is not null as seen
from pg_catalog.pg_replication_slots s
left join reader r on r.pid OPERATOR(pg_catalog.=) s.active_pid
cross join written w
where s.slot_type OPERATOR(pg_catalog.=) 'logical'
union all
select 'standby', r.application_name, null, true, r.replays,
    pg_catalog.pg_wal_lsn_diff(w.lsn, r.reached)::bigint,
    case when r.reached OPERATOR(pg_catalog.<) w.lsn then r.lag_s end,
    r.state is not null
from reader r
cross join written w
where r.slot_type is distinct from 'logical'
union all
select 'publication', p.pubname::text, null, true,
    pg_catalog.pg_has_role(p.pubowner, 'USAGE'), null, null, true
from pg_catalog.pg_publication p
order by 1, 2
