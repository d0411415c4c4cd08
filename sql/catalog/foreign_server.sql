-- Foreign servers.
--@ only with pg_foreign_server where oid >= 16384
select 'foreign_server' as kind, array[s.srvname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when s.srvoptions is not null then
            to_json(s.srvoptions) end as options,
        s.srvtype as type,
        s.srvversion as version,
        w.fdwname as wrapper) x) as definition,
    'pg_foreign_server'::regclass::oid as classid, s.oid as objid, 0 as subid,
    pg_get_userbyid(s.srvowner) as owner,
    s.srvacl::text[] as acl,
    case when s.srvacl is not null then acldefault('S', s.srvowner)::text[] end as acl_default
from pg_foreign_server s
join pg_foreign_data_wrapper w on w.oid = s.srvfdw
where s.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_foreign_server'::regclass and d.objid = s.oid and d.deptype = 'e')
order by s.oid
