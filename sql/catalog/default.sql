-- Column defaults, of views too. The expression of a generated column belongs to the column.
--@ only with pg_attrdef
select 'default' as kind, array[n.nspname::text, c.relname::text, a.attname::text] as name,
    (select row_to_json(x)::text from (select pg_get_expr(d.adbin, d.adrelid) as expression) x) as definition,
    'pg_attrdef'::regclass::oid as classid, d.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_attrdef d
join pg_class c on c.oid = d.adrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum = d.adnum
where a.attgenerated = '' and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend e
        where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
