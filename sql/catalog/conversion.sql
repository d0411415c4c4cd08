-- Conversions between encodings.
--@ only with pg_conversion where oid >= 16384
select 'conversion' as kind, array[n.nspname::text, c.conname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when c.condefault then true end as "default",
        c.conproc::regproc::text as function,
        pg_encoding_to_char(c.conforencoding) as source,
        pg_encoding_to_char(c.contoencoding) as target) x) as definition,
    'pg_conversion'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.conowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_conversion c
join pg_namespace n on n.oid = c.connamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_conversion'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
