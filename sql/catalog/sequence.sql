-- Sequences, but for those of identity columns, which belong to their columns.
--@ only with pg_sequence
select 'sequence' as kind, array[n.nspname::text, c.relname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(s.seqcache, 1)::text as cache,
        case when s.seqcycle then true end as cycle,
        nullif(s.seqincrement, 1)::text as increment,
        nullif(s.seqmax, case when s.seqincrement < 0 then -1 else
            case s.seqtypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647
                else 9223372036854775807 end end)::text as max,
        nullif(s.seqmin, case when s.seqincrement > 0 then 1 else
            case s.seqtypid when 'int2'::regtype then -32768 when 'int4'::regtype then -2147483648
                else -9223372036854775808 end end)::text as min,
        nullif(s.seqstart, case when s.seqincrement > 0 then s.seqmin else s.seqmax end)::text as start,
        nullif(format_type(s.seqtypid, null), 'bigint') as type,
        case when c.relpersistence = 'u' then true end as unlogged) x) as definition,
    'pg_class'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.relowner) as owner,
    c.relacl::text[] as acl,
    case when c.relacl is not null then acldefault('s', c.relowner)::text[] end as acl_default
from pg_sequence s
join pg_class c on c.oid = s.seqrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('e', 'i'))
order by c.oid
