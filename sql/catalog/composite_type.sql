-- Composite types that stand alone; every table has one of its own, which follows from the table.
--@ only with pg_class where oid >= 16384
select 'composite_type' as kind, array[n.nspname::text, t.typname::text] as name,
    (select row_to_json(x)::text from (select
        to_json(array(select json_strip_nulls(row_to_json(y)) from (select
                case when a.attcollation <> at.typcollation then
                    (select format('%%I.%%I', cn.nspname, co.collname) from pg_collation co
                        join pg_namespace cn on cn.oid = co.collnamespace where co.oid = a.attcollation) end as collation,
                a.attname as name,
                format_type(a.atttypid, a.atttypmod) as type
            from pg_attribute a join pg_type at on at.oid = a.atttypid
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) y)) as attributes
    ) x) as definition,
    'pg_type'::regclass::oid as classid, t.oid as objid, 0 as subid,
    pg_get_userbyid(t.typowner) as owner,
    t.typacl::text[] as acl,
    case when t.typacl is not null then acldefault('T', t.typowner)::text[] end as acl_default
from pg_type t
join pg_class c on c.oid = t.typrelid
join pg_namespace n on n.oid = t.typnamespace
where t.typtype = 'c' and c.relkind = 'c' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
order by t.oid
