-- Columns of tables, foreign tables, views, materialized views and composite types, in their order.
--@ only with pg_class where oid >= 16384
select 'column' as kind, array[n.nspname::text, c.relname::text, a.attname::text] as name,
    json_strip_nulls(row_to_json(x))::text as definition,
    'pg_class'::regclass::oid as classid, c.oid as objid, a.attnum::int4 as subid,
    null::text as owner, a.attacl::text[] as acl,
    case when a.attacl is not null then array[]::text[] end as acl_default
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
cross join lateral (select
    case when a.attcollation <> t.typcollation
        then (select format('%%I.%%I', cn.nspname, co.collname) from pg_collation co
            join pg_namespace cn on cn.oid = co.collnamespace where co.oid = a.attcollation) end as collation,
    case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end as compression,
    case when a.attfdwoptions is not null then
        to_json(a.attfdwoptions) end as fdw_options,
    case when a.attgenerated <> '' then (select pg_get_expr(d.adbin, d.adrelid)
        from pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum) end as generated,
    case when a.attidentity <> '' then (select row_to_json(i) from (select
            case when a.attidentity = 'a' then true end as always,
            nullif(s.seqcache, 1)::text as cache,
            case when s.seqcycle then true end as cycle,
            nullif(s.seqincrement, 1)::text as increment,
            nullif(s.seqmax, case when s.seqincrement < 0 then -1 else
                case s.seqtypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647
                    else 9223372036854775807 end end)::text as max,
            nullif(s.seqmin, case when s.seqincrement > 0 then 1 else
                case s.seqtypid when 'int2'::regtype then -32768 when 'int4'::regtype then -2147483648
                    else -9223372036854775808 end end)::text as min,
            format('%%I.%%I', sn.nspname, sc.relname) as sequence,
            nullif(s.seqstart, case when s.seqincrement > 0 then s.seqmin else s.seqmax end)::text as start,
            case when s.seqtypid <> a.atttypid then format_type(s.seqtypid, null) end as type
        from pg_depend d
        join pg_sequence s on s.seqrelid = d.objid
        join pg_class sc on sc.oid = s.seqrelid
        join pg_namespace sn on sn.oid = sc.relnamespace
        where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = a.attnum
            and d.classid = 'pg_class'::regclass and d.deptype = 'i') i) end as identity,
    case when not a.attislocal then true end as inherited,
    case when a.attnotnull and c.relkind in ('r', 'p', 'f') then true end as not_null,
    --@ if server >= 180000
    -- Only what is not as Postgres makes it by itself. Where it comes from a parent too, its name is that of the path on
    -- which it came, and cannot be changed.
    (select nullif(json_strip_nulls(row_to_json(y))::text, '{}')::json from (select
            case when o.coninhcount = 0 then obj_description(o.oid, 'pg_constraint') end as comment,
            case when o.coninhcount > 0 then true end as inherited,
            case when o.coninhcount = 0 then
                nullif(o.conname, format('%%s_%%s_not_null', c.relname, a.attname)) end as name,
            case when o.connoinherit then true end as no_inherit,
            case when not o.convalidated then true end as not_valid
        from pg_constraint o where o.conrelid = c.oid and o.contype = 'n' and o.conkey[1] = a.attnum) y
        where a.attnotnull) as not_null_constraint,
    --@ end
    case when a.attoptions is not null then
        to_json(array(select o from unnest(a.attoptions) o order by o collate "C")) end as options,
    case when a.attstattarget >= 0 then a.attstattarget end as statistics,
    case when a.attstorage <> t.typstorage and c.relkind in ('r', 'p', 'm', 'f') then
        case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main'
            else 'extended' end end as storage,
    case when a.attstorage <> t.typstorage and c.relkind in ('r', 'p', 'm', 'f') then
        case t.typstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main'
            else 'extended' end end as storage_usual,
    format_type(a.atttypid, a.atttypmod) as type,
    case when a.attgenerated = 'v' then true end as virtual) x
where c.relkind in ('r', 'p', 'f', 'v', 'm', 'c') and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    -- Of a composite type the type is the extension's member.
    and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = c.reltype and d.deptype = 'e')
order by c.oid, a.attnum
