-- Extended statistics. They may stand in another schema than their table. Their parts are taken apart because
-- pg_get_statisticsobjdef lists columns in the table's order, which is no difference. Expressions stand as declared.
--@ only with pg_statistic_ext
select 'statistics' as kind, array[n.nspname::text, s.stxname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        (select to_json(m.members) from (select array(select a.attname from pg_attribute a
                where a.attrelid = c.oid and a.attnum = any(s.stxkeys) order by a.attname collate "C") as members) m
            where cardinality(m.members) > 0) as columns,
        case when s.stxexprs is not null then to_json(pg_get_statisticsobjdef_expressions(s.oid)) end as expressions,
        case when s.stxkind && array['d', 'f', 'm']::"char"[] and not s.stxkind @> array['d', 'f', 'm']::"char"[]
            then to_json(array_remove(array[case when 'f' = any(s.stxkind) then 'dependencies' end,
                case when 'm' = any(s.stxkind) then 'mcv' end,
                case when 'd' = any(s.stxkind) then 'ndistinct' end], null)) end as kinds,
        format('%%I.%%I', cn.nspname, c.relname) as "table",
        nullif(s.stxstattarget, -1) as target) x) as definition,
    'pg_statistic_ext'::regclass::oid as classid, s.oid as objid, 0 as subid,
    pg_get_userbyid(s.stxowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_statistic_ext s
join pg_namespace n on n.oid = s.stxnamespace
join pg_class c on c.oid = s.stxrelid
join pg_namespace cn on cn.oid = c.relnamespace
where n.oid = any(%(schemas)s) and c.relpersistence <> 't'
    and not exists (select from pg_depend d
        where d.classid = 'pg_statistic_ext'::regclass and d.objid = s.oid and d.deptype = 'e')
order by s.oid
