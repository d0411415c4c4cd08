-- Aggregates, piece by piece: Postgres has no pg_get_functiondef for them.
--@ only with pg_aggregate where aggfnoid >= 16384::oid
select 'aggregate' as kind,
    array[n.nspname::text, p.proname::text, pg_get_function_identity_arguments(p.oid)] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        pg_get_function_arguments(p.oid) as arguments,
        nullif(a.aggcombinefn, 0)::regproc::text as combinefunc,
        nullif(a.aggdeserialfn, 0)::regproc::text as deserialfunc,
        nullif(a.aggfinalfn, 0)::regproc::text as finalfunc,
        case when a.aggfinalextra then true end as finalfunc_extra,
        case when a.aggfinalmodify <> case when a.aggkind = 'n' then 'r' else 'w' end::"char" then
            case a.aggfinalmodify when 'r' then 'READ_ONLY' when 's' then 'SHAREABLE' else 'READ_WRITE' end
            end as finalfunc_modify,
        case when a.aggkind = 'h' then true end as hypothetical,
        a.agginitval as initcond,
        nullif(a.aggmfinalfn, 0)::regproc::text as mfinalfunc,
        case when a.aggmfinalextra then true end as mfinalfunc_extra,
        case when a.aggmtransfn <> 0
                and a.aggmfinalmodify <> case when a.aggkind = 'n' then 'r' else 'w' end::"char" then
            case a.aggmfinalmodify when 'r' then 'READ_ONLY' when 's' then 'SHAREABLE' else 'READ_WRITE' end
            end as mfinalfunc_modify,
        a.aggminitval as minitcond,
        nullif(a.aggminvtransfn, 0)::regproc::text as minvfunc,
        nullif(a.aggmtransfn, 0)::regproc::text as msfunc,
        nullif(a.aggmtransspace, 0) as msspace,
        case when a.aggmtranstype <> 0 then format_type(a.aggmtranstype, null) end as mstype,
        case p.proparallel when 's' then 'SAFE' when 'r' then 'RESTRICTED' end as parallel,
        nullif(a.aggserialfn, 0)::regproc::text as serialfunc,
        a.aggtransfn::regproc::text as sfunc,
        (select format('%%I.%%s', sn.nspname, so.oprname) from pg_operator so
            join pg_namespace sn on sn.oid = so.oprnamespace where so.oid = a.aggsortop) as sortop,
        nullif(a.aggtransspace, 0) as sspace,
        format_type(a.aggtranstype, null) as stype) x) as definition,
    'pg_proc'::regclass::oid as classid, p.oid as objid, 0 as subid,
    pg_get_userbyid(p.proowner) as owner,
    p.proacl::text[] as acl,
    case when p.proacl is not null then acldefault('f', p.proowner)::text[] end as acl_default
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
join pg_aggregate a on a.aggfnoid = p.oid
where p.prokind = 'a' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
order by p.oid
