-- Replication slots that nobody reads from: what is written is kept for them, and vacuum waits for them.
select s.slot_name::text
from pg_catalog.pg_replication_slots s
where not s.active and not s.temporary
order by 1
