-- Routines and operators of these roles that could only be taken for the system's: of the name of one, for types of the
-- system alone. (catalog, oid)
select 'pg_proc'::regclass::oid, p.oid
from pg_proc p
join pg_roles r on r.oid = p.proowner
where r.rolname = any(%(others)s) and p.oid >= 16384
    and p.proname in (select s.proname from pg_proc s where s.pronamespace = 'pg_catalog'::regnamespace)
    and not exists (select from unnest(p.proargtypes::oid[]) a where a >= 16384)
union all
select 'pg_operator'::regclass::oid, o.oid
from pg_operator o
join pg_roles r on r.oid = o.oprowner
where r.rolname = any(%(others)s) and o.oid >= 16384 and o.oprleft < 16384 and o.oprright < 16384
    and o.oprname in (select s.oprname from pg_operator s where s.oprnamespace = 'pg_catalog'::regnamespace)
