-- Rewrite rules, but for the one that makes a view a view.
--@ only with pg_rewrite where oid >= 16384 and rulename <> '_RETURN'
select 'rule' as kind, array[n.nspname::text, c.relname::text, r.rulename::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        pg_get_ruledef(r.oid) as definition,
        case r.ev_enabled when 'D' then 'DISABLE' when 'R' then 'ENABLE REPLICA' when 'A' then 'ENABLE ALWAYS' end
            as enabled) x) as definition,
    'pg_rewrite'::regclass::oid as classid, r.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_rewrite r
join pg_class c on c.oid = r.ev_class
join pg_namespace n on n.oid = c.relnamespace
where r.rulename <> '_RETURN' and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
