-- Who needs whom, as pg_depend has it: whole objects and columns, user's objects only. The name is the address of what is
-- needed, the definition the deptype. And which materialized views hold nothing yet, as a row of their own: that is not
-- a fact, but decides how they are recreated.
select 'dependency' as kind, array[d.refclassid::text, d.refobjid::text, d.refobjsubid::text] as name,
    d.deptype::text as definition,
    d.classid, d.objid, d.objsubid as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_depend d
where d.objid >= 16384 and (d.refobjid >= 16384 or d.refclassid = 'pg_namespace'::regclass)
    and d.deptype in ('n', 'a', 'i', 'e', 'P', 'S')
union all
select 'dependency', array['pg_class'::regclass::oid::text, c.oid::text, '0'],
    'unpopulated',
    'pg_class'::regclass::oid, c.oid, 0,
    null, null, null
from pg_class c
where c.relkind = 'm' and not c.relispopulated
