-- What those of these roles have made that a statement can call by its name: routines, types and operators; null where
-- they have tables.
select distinct p.proname::text
from pg_proc p
where pg_get_userbyid(p.proowner) = any(%(others)s)
union
select distinct t.typname::text
from pg_type t
where pg_get_userbyid(t.typowner) = any(%(others)s) and t.typtype in ('b', 'd', 'e', 'r', 'c')
union
select distinct o.oprname::text
from pg_operator o
where pg_get_userbyid(o.oprowner) = any(%(others)s)
union all
select null
where exists (select from pg_class c where pg_get_userbyid(c.relowner) = any(%(others)s) and c.relkind in ('r', 'p', 'f'))
