-- Publications; each table and each schema in one is a fact of its own, since it goes when the table or schema goes.
--@ only with pg_publication where oid >= 16384
select 'publication' as kind, array[p.pubname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when p.puballtables then true end as all_tables,
        case when not (p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate) then to_json(array_remove(array[
            case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
            case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end], null)) end as publish,
--@ if server >= 180000
        case p.pubgencols when 's' then 'stored' end as publish_generated_columns,
--@ end
        case when p.pubviaroot then true end as publish_via_partition_root) x) as definition,
    'pg_publication'::regclass::oid as classid, p.oid as objid, 0 as subid,
    pg_get_userbyid(p.pubowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_publication p
where p.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_publication'::regclass and d.objid = p.oid and d.deptype = 'e')
union all
select 'publication_table', array[p.pubname::text, n.nspname::text, c.relname::text],
--@ if server >= 150000
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when r.prattrs is not null then to_json(array(select a.attname from pg_attribute a
            where a.attrelid = c.oid and a.attnum = any(r.prattrs) order by a.attname collate "C")) end as columns,
        pg_get_expr(r.prqual, r.prrelid) as "where") x),
--@ else
    '{}',
--@ end
    'pg_publication_rel'::regclass::oid, r.oid, 0, null, null, null
from pg_publication_rel r
join pg_publication p on p.oid = r.prpubid
join pg_class c on c.oid = r.prrelid
join pg_namespace n on n.oid = c.relnamespace
where p.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_publication'::regclass and d.objid = p.oid and d.deptype = 'e')
--@ if server >= 150000
union all
select 'publication_schema', array[p.pubname::text, n.nspname::text], '{}',
    'pg_publication_namespace'::regclass::oid, r.oid, 0, null, null, null
from pg_publication_namespace r
join pg_publication p on p.oid = r.pnpubid
join pg_namespace n on n.oid = r.pnnspid
where p.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_publication'::regclass and d.objid = p.oid and d.deptype = 'e')
--@ end
