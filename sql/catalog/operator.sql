-- Operators. One that was only named by another (as commutator or negator) and never made is a shell.
--@ only with pg_operator where oid >= 16384
select 'operator' as kind,
    array[n.nspname::text, o.oprname::text,
        case when o.oprleft <> 0 then format_type(o.oprleft, null) else '' end,
        case when o.oprright <> 0 then format_type(o.oprright, null) else '' end] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        (select format('%%I.%%s', cn.nspname, c.oprname) from pg_operator c
            join pg_namespace cn on cn.oid = c.oprnamespace where c.oid = o.oprcom) as commutator,
        nullif(o.oprcode, 0)::regproc::text as function,
        case when o.oprcanhash then true end as hashes,
        nullif(o.oprjoin, 0)::regproc::text as "join",
        case when o.oprcanmerge then true end as merges,
        (select format('%%I.%%s', cn.nspname, c.oprname) from pg_operator c
            join pg_namespace cn on cn.oid = c.oprnamespace where c.oid = o.oprnegate) as negator,
        nullif(o.oprrest, 0)::regproc::text as restrict,
        case when o.oprcode = 0 then true end as shell) x) as definition,
    'pg_operator'::regclass::oid as classid, o.oid as objid, 0 as subid,
    pg_get_userbyid(o.oprowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_operator o
join pg_namespace n on n.oid = o.oprnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_operator'::regclass and d.objid = o.oid and d.deptype = 'e')
order by o.oid
