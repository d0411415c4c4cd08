-- Managed schemas.
select 'schema' as kind, array[n.nspname::text] as name, '{}' as definition,
    'pg_namespace'::regclass::oid as classid, n.oid as objid, 0 as subid,
    pg_get_userbyid(n.nspowner) as owner,
    n.nspacl::text[] as acl,
    case when n.nspacl is not null then acldefault('n', n.nspowner)::text[] end as acl_default
from pg_namespace n
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
