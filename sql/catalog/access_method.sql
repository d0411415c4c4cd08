-- Access methods of tables and indexes. They have no owner.
--@ only with pg_am where oid >= 16384
select 'access_method' as kind, array[a.amname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        a.amhandler::regproc::text as handler,
        case a.amtype when 'i' then 'INDEX' else 'TABLE' end as type) x) as definition,
    'pg_am'::regclass::oid as classid, a.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_am a
where a.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_am'::regclass and d.objid = a.oid and d.deptype = 'e')
order by a.oid
