-- Range types. Their multirange types and constructor functions follow from them.
--@ only with pg_range where rngtypid >= 16384
select 'range_type' as kind, array[n.nspname::text, t.typname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(r.rngcanonical, 0)::regproc::text as canonical,
        case when r.rngcollation <> st.typcollation then
            (select format('%%I.%%I', cn.nspname, co.collname) from pg_collation co
                join pg_namespace cn on cn.oid = co.collnamespace where co.oid = r.rngcollation) end as collation,
        format('%%I.%%I', mn.nspname, m.typname) as multirange,
        case when not oc.opcdefault then format('%%I.%%I', ocn.nspname, oc.opcname) end as operator_class,
        format_type(r.rngsubtype, null) as subtype,
        nullif(r.rngsubdiff, 0)::regproc::text as subtype_diff) x) as definition,
    'pg_type'::regclass::oid as classid, t.oid as objid, 0 as subid,
    pg_get_userbyid(t.typowner) as owner,
    t.typacl::text[] as acl,
    case when t.typacl is not null then acldefault('T', t.typowner)::text[] end as acl_default
from pg_range r
join pg_type t on t.oid = r.rngtypid
join pg_namespace n on n.oid = t.typnamespace
join pg_type st on st.oid = r.rngsubtype
join pg_type m on m.oid = r.rngmultitypid
join pg_namespace mn on mn.oid = m.typnamespace
join pg_opclass oc on oc.oid = r.rngsubopc
join pg_namespace ocn on ocn.oid = oc.opcnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
order by t.oid
