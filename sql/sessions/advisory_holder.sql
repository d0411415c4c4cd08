-- Another session that holds an advisory lock, with `exclusive` one that shares it with nobody. Its 64 bits stand in two
-- columns of pg_locks.
select held.pid, session.usename::text, pg_catalog.host(session.client_addr), session.application_name,
    session.xact_start, session.query
from pg_catalog.pg_locks held left join pg_catalog.pg_stat_activity session on session.pid = held.pid
where held.locktype = 'advisory' and held.granted and held.objsubid = 1
    and held.pid <> pg_catalog.pg_backend_pid() and (held.mode = 'ExclusiveLock' or not %(exclusive)s)
    and held.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
    and (held.classid::bigint << 32) | held.objid::bigint = %(key)s
limit 1
