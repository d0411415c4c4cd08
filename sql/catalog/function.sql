-- Functions (window functions among them) and procedures. Those that Postgres makes for a type follow from the type.
--@ only with pg_proc where oid >= 16384
select case p.prokind when 'p' then 'procedure' else 'function' end as kind,
    array[n.nspname::text, p.proname::text, pg_get_function_identity_arguments(p.oid)] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        pg_get_function_arguments(p.oid) as arguments,
        pg_get_functiondef(p.oid) as definition,
        pg_get_function_result(p.oid) as result,
        oidvectortypes(p.proargtypes) as types) x) as definition,
    'pg_proc'::regclass::oid as classid, p.oid as objid, 0 as subid,
    pg_get_userbyid(p.proowner) as owner,
    p.proacl::text[] as acl,
    case when p.proacl is not null then acldefault('f', p.proowner)::text[] end as acl_default
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where p.prokind <> 'a' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype in ('e', 'i'))
order by p.oid
