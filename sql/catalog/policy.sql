-- Row security policies. The role '' is PUBLIC.
--@ only with pg_policy
select 'policy' as kind, array[n.nspname::text, c.relname::text, p.polname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        pg_get_expr(p.polwithcheck, p.polrelid) as "check",
        case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE'
            else 'ALL' end as command,
        case when not p.polpermissive then true end as restrictive,
        to_json(array(select case when r = 0 then '' else pg_get_userbyid(r)::text end from unnest(p.polroles) r
            order by 1)) as roles,
        pg_get_expr(p.polqual, p.polrelid) as "using") x) as definition,
    'pg_policy'::regclass::oid as classid, p.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_policy p
join pg_class c on c.oid = p.polrelid
join pg_namespace n on n.oid = c.relnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
