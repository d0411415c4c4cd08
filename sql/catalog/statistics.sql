-- Extended statistics. They may stand in another schema than their table.
select 'statistics' as kind, array[n.nspname::text, s.stxname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        pg_get_statisticsobjdef(s.oid) as definition,
        nullif(s.stxstattarget, -1) as target) x) as definition,
    'pg_statistic_ext'::regclass::oid as classid, s.oid as objid, 0 as subid,
    pg_get_userbyid(s.stxowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_statistic_ext s
join pg_namespace n on n.oid = s.stxnamespace
join pg_class c on c.oid = s.stxrelid
where n.oid = any(%(schemas)s) and c.relpersistence <> 't'
    and not exists (select from pg_depend d
        where d.classid = 'pg_statistic_ext'::regclass and d.objid = s.oid and d.deptype = 'e')
order by s.oid
