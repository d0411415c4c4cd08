-- Base types and shell types. Array types follow from their elements' types; only theirs use array_in.
--@ only with pg_type where oid >= 16384 and (typtype = 'b' and typinput <> 'array_in'::regproc or typtype = 'p')
select 'base_type' as kind, array[n.nspname::text, t.typname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when t.typisdefined then
            case t.typalign when 'c' then 'char' when 's' then 'int2' when 'd' then 'double' end end as alignment,
        nullif(t.typanalyze, 0)::regproc::text as "analyze",
        case when t.typisdefined then nullif(t.typcategory, 'U') end as category,
        case when t.typcollation <> 0 then true end as collatable,
        t.typdefault as "default",
        nullif(t.typdelim, ',') as delimiter,
        case when t.typelem <> 0 then format_type(t.typelem, null) end as element,
        case when t.typisdefined then t.typinput::regproc::text end as input,
        case when t.typisdefined then nullif(t.typlen, -1) end as internal_length,
        case when t.typisdefined then t.typoutput::regproc::text end as output,
        case when t.typisdefined and t.typbyval then true end as passed_by_value,
        case when t.typispreferred then true end as preferred,
        nullif(t.typreceive, 0)::regproc::text as receive,
        nullif(t.typsend, 0)::regproc::text as send,
        case when not t.typisdefined then true end as shell,
        case t.typstorage when 'e' then 'external' when 'm' then 'main' when 'x' then 'extended' end as storage,
        nullif(t.typsubscript, 0)::regproc::text as subscript,
        nullif(t.typmodin, 0)::regproc::text as typmod_in,
        nullif(t.typmodout, 0)::regproc::text as typmod_out) x) as definition,
    'pg_type'::regclass::oid as classid, t.oid as objid, 0 as subid,
    pg_get_userbyid(t.typowner) as owner,
    t.typacl::text[] as acl,
    case when t.typacl is not null then acldefault('T', t.typowner)::text[] end as acl_default
from pg_type t
join pg_namespace n on n.oid = t.typnamespace
where (t.typtype = 'b' and t.typinput <> 'array_in'::regproc or t.typtype = 'p' and not t.typisdefined)
    and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
order by t.oid
