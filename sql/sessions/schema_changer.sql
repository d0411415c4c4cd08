-- Who changes a schema itself in a transaction that has not ended: its number stands in the row.
select held.pid, session.usename::text, pg_catalog.host(session.client_addr), session.application_name,
    session.xact_start, session.query
from pg_catalog.pg_locks held left join pg_catalog.pg_stat_activity session on session.pid = held.pid
    join pg_catalog.pg_namespace changed on changed.xmax = held.transactionid
where held.locktype = 'transactionid' and held.granted and held.pid <> pg_catalog.pg_backend_pid()
    and changed.nspname = %(schema)s
limit 1
