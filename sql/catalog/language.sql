-- Procedural languages that no extension made.
--@ only with pg_language where oid >= 16384
select 'language' as kind, array[l.lanname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(l.lanplcallfoid, 0)::regproc::text as handler,
        nullif(l.laninline, 0)::regproc::text as inline,
        case when l.lanpltrusted then true end as trusted,
        nullif(l.lanvalidator, 0)::regproc::text as validator) x) as definition,
    'pg_language'::regclass::oid as classid, l.oid as objid, 0 as subid,
    pg_get_userbyid(l.lanowner) as owner,
    l.lanacl::text[] as acl,
    case when l.lanacl is not null then acldefault('l', l.lanowner)::text[] end as acl_default
from pg_language l
where l.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_language'::regclass and d.objid = l.oid and d.deptype = 'e')
order by l.oid
