-- Enum types: their labels in sort order.
--@ only with pg_type where oid >= 16384 and typtype = 'e'
select 'enum' as kind, array[n.nspname::text, t.typname::text] as name,
    (select row_to_json(x)::text from (select
        to_json(array(select e.enumlabel from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder)) as labels
    ) x) as definition,
    'pg_type'::regclass::oid as classid, t.oid as objid, 0 as subid,
    pg_get_userbyid(t.typowner) as owner,
    t.typacl::text[] as acl,
    case when t.typacl is not null then acldefault('T', t.typowner)::text[] end as acl_default
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
where t.typtype = 'e' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
order by t.oid
