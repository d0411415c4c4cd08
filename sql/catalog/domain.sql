-- Domains; their CHECK constraints are facts of their own.
--@ only with pg_type where oid >= 16384 and typtype = 'd'
select 'domain' as kind, array[n.nspname::text, t.typname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when t.typcollation <> bt.typcollation then
            (select format('%%I.%%I', cn.nspname, co.collname) from pg_collation co
                join pg_namespace cn on cn.oid = co.collnamespace where co.oid = t.typcollation) end as collation,
        -- typdefault is the text that it was when it was set, with the names that the search_path of then allowed.
        pg_get_expr(t.typdefaultbin, 'pg_type'::regclass) as "default",
        case when t.typnotnull then true end as not_null,
        --@ if server >= 180000
        (select o.conname from pg_constraint o where o.contypid = t.oid and o.contype = 'n'
            and o.conname <> format('%%s_not_null', t.typname)) as not_null_name,
        --@ end
        format_type(t.typbasetype, t.typtypmod) as type) x) as definition,
    'pg_type'::regclass::oid as classid, t.oid as objid, 0 as subid,
    pg_get_userbyid(t.typowner) as owner,
    t.typacl::text[] as acl,
    case when t.typacl is not null then acldefault('T', t.typowner)::text[] end as acl_default
from pg_type t
join pg_type bt on bt.oid = t.typbasetype
join pg_namespace n on n.oid = t.typnamespace
where t.typtype = 'd' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
order by t.oid
