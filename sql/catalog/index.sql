-- Indexes that no constraint owns. `using` is what follows the table's name in pg_get_indexdef, `options`
-- among it, in the order in which they were set.
--@ only with pg_index where indexrelid >= 16384
select 'index' as kind, array[n.nspname::text, c.relname::text, ic.relname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when i.indisclustered then true end as clustered,
        case when not i.indisvalid then true end as invalid,
        to_json(ic.reloptions) as options,
        case when ic.relispartition then (select format('%%I.%%I', pn.nspname, pc.relname) from pg_inherits h
            join pg_class pc on pc.oid = h.inhparent join pg_namespace pn on pn.oid = pc.relnamespace
            where h.inhrelid = ic.oid) end as parent,
        case when i.indisreplident then true end as replica_identity,
        case when i.indexprs is not null then (
            select to_json(array_agg(format('%%s=%%s', a.attnum, a.attstattarget) order by a.attnum))
            from pg_attribute a where a.attrelid = ic.oid and a.attstattarget >= 0) end as statistics,
        ts.spcname as tablespace,
        case when i.indisunique then true end as "unique",
        substr(pg_get_indexdef(ic.oid), length(format('CREATE %%sINDEX %%I ON %%s%%I.%%I',
            case when i.indisunique then 'UNIQUE ' else '' end, ic.relname,
            case when ic.relkind = 'I' then 'ONLY ' else '' end, n.nspname, c.relname)) + 2) as "using") x) as definition,
    'pg_class'::regclass::oid as classid, ic.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_index i
join pg_class ic on ic.oid = i.indexrelid
join pg_class c on c.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_tablespace ts on ts.oid = ic.reltablespace
where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_constraint o where o.conindid = i.indexrelid and o.contype in ('p', 'u', 'x'))
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by ic.oid
