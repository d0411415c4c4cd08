-- Constraints of tables. Left out: NOT NULL (the column has it), constraint triggers (the trigger has them), and the
-- clones that a foreign key of a partitioned table makes on its partitions. A key's parent is the index, of a key or
-- not, that its own is attached to.
--@ only with pg_constraint where oid >= 16384
select 'constraint' as kind, array[n.nspname::text, c.relname::text, o.conname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when i.indisclustered then true end as clustered,
        pg_get_constraintdef(o.oid) as definition,
        case when ic.oid is not null then obj_description(ic.oid, 'pg_class') end as index_comment,
        (select to_json(array(select r from unnest(ic.reloptions) r order by r collate "C"))
            where ic.reloptions is not null) as index_options,
        case when not o.conislocal then true end as inherited,
        case when not i.indisvalid then true end as invalid,
        case when not o.convalidated then true end as not_valid,
        case when ic.relispartition then (select format('%%I.%%I', pn.nspname, pc.relname) from pg_inherits h
            join pg_class pc on pc.oid = h.inhparent join pg_namespace pn on pn.oid = pc.relnamespace
            where h.inhrelid = ic.oid) end as parent,
        case when i.indisreplident then true end as replica_identity,
        ts.spcname as tablespace,
        case o.contype when 'p' then 'primary_key' when 'u' then 'unique' when 'f' then 'foreign_key'
            when 'c' then 'check' else 'exclude' end as type) x) as definition,
    'pg_constraint'::regclass::oid as classid, o.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_constraint o
join pg_class c on c.oid = o.conrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_index i on i.indexrelid = o.conindid and i.indrelid = o.conrelid and o.contype in ('p', 'u', 'x')
left join pg_class ic on ic.oid = i.indexrelid
left join pg_tablespace ts on ts.oid = ic.reltablespace
where o.contype in ('p', 'u', 'f', 'c', 'x') and (o.contype <> 'f' or o.conparentid = 0)
    and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
