-- Not facts, but evidence beside them: the names of NOT NULL constraints that come from a parent. They depend on the
-- path on which they came, and cannot be changed until they are the table's own. One that the table declares, too, stays
-- when the parent's goes.
--@ only with pg_inherits
select case when o.conislocal then 'declared_name' else 'inherited_name' end as kind,
    array[n.nspname::text, c.relname::text, a.attname::text] as name,
    o.conname::text as definition,
    'pg_constraint'::regclass::oid as classid, o.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_constraint o
join pg_class c on c.oid = o.conrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum = o.conkey[1]
where o.contype = 'n' and o.coninhcount > 0 and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
