-- Default privileges: {role, schema or '', type of object as pg_default_acl has it}. What they grant is in the acl: of
-- an entry for a schema it adds to nothing, of one for the whole database it replaces what Postgres grants by itself.
--@ only with pg_default_acl
select 'default_privileges' as kind,
    array[pg_get_userbyid(a.defaclrole)::text, coalesce(n.nspname::text, ''), a.defaclobjtype::text] as name,
    '{}' as definition,
    'pg_default_acl'::regclass::oid as classid, a.oid as objid, 0 as subid,
    null::text as owner, a.defaclacl::text[] as acl,
    case when a.defaclnamespace <> 0 then array[]::text[]
        else acldefault(case a.defaclobjtype when 'S' then 's' else a.defaclobjtype end, a.defaclrole)::text[] end
        as acl_default
from pg_default_acl a
left join pg_namespace n on n.oid = a.defaclnamespace
where (a.defaclnamespace = 0 or a.defaclnamespace = any(%(schemas)s))
    and not exists (select from pg_depend d
        where d.classid = 'pg_default_acl'::regclass and d.objid = a.oid and d.deptype = 'e')
order by a.oid
