-- Views and materialized views. Whether a materialized view holds data is its state, not its definition.
--@ only with pg_rewrite where oid >= 16384
select case c.relkind when 'v' then 'view' else 'materialized_view' end as kind,
    array[n.nspname::text, c.relname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(am.amname, 'heap') as access_method,
        pg_get_viewdef(c.oid) as definition,
        (select to_json(array(select o from unnest(c.reloptions) o order by o collate "C")) where c.reloptions is not null)
            as options,
        ts.spcname as tablespace) x) as definition,
    'pg_class'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.relowner) as owner,
    c.relacl::text[] as acl,
    case when c.relacl is not null then acldefault('r', c.relowner)::text[] end as acl_default
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_am am on am.oid = c.relam
left join pg_tablespace ts on ts.oid = c.reltablespace
where c.relkind in ('v', 'm') and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
