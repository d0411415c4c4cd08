-- Which column a sequence belongs to (serial): it is dropped with that column.
--@ only with pg_sequence
select 'owned_by' as kind, array[n.nspname::text, c.relname::text] as name,
    (select row_to_json(x)::text from (select
        a.attname as "column", tn.nspname as schema, t.relname as "table") x) as definition,
    'pg_class'::regclass::oid as classid, null::oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'a'
    and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0
join pg_class t on t.oid = d.refobjid
join pg_namespace tn on tn.oid = t.relnamespace
join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
where c.relkind = 'S' and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend e
        where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
