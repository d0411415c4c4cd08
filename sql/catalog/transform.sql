-- Transforms between a type and a procedural language. They have no owner.
--@ only with pg_transform where oid >= 16384
select 'transform' as kind, array[format_type(t.trftype, null), l.lanname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(t.trffromsql, 0)::regprocedure::text as from_sql,
        nullif(t.trftosql, 0)::regprocedure::text as to_sql) x) as definition,
    'pg_transform'::regclass::oid as classid, t.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_transform t
join pg_language l on l.oid = t.trflang
where t.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_transform'::regclass and d.objid = t.oid and d.deptype = 'e')
order by t.oid
