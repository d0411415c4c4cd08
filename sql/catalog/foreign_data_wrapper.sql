-- Foreign-data wrappers.
--@ only with pg_foreign_data_wrapper where oid >= 16384
select 'foreign_data_wrapper' as kind, array[w.fdwname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(w.fdwhandler, 0)::regproc::text as handler,
        case when w.fdwoptions is not null then
            to_json(w.fdwoptions) end as options,
        nullif(w.fdwvalidator, 0)::regproc::text as validator) x) as definition,
    'pg_foreign_data_wrapper'::regclass::oid as classid, w.oid as objid, 0 as subid,
    pg_get_userbyid(w.fdwowner) as owner,
    w.fdwacl::text[] as acl,
    case when w.fdwacl is not null then acldefault('F', w.fdwowner)::text[] end as acl_default
from pg_foreign_data_wrapper w
where w.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_foreign_data_wrapper'::regclass and d.objid = w.oid and d.deptype = 'e')
order by w.oid
