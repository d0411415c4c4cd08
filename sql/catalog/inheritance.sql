-- What a table inherits from, and as which partition. The link changes alone: ATTACH, DETACH, INHERIT, NO INHERIT.
--@ only with pg_inherits
select 'inheritance' as kind,
    array[n.nspname::text, c.relname::text, pn.nspname::text, p.relname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        pg_get_expr(c.relpartbound, c.oid) as bound,
        case when i.inhdetachpending then true end as detach_pending,
        case when not c.relispartition then (select count(*) from pg_inherits o
            where o.inhrelid = i.inhrelid and o.inhseqno <= i.inhseqno) end as position) x) as definition,
    'pg_class'::regclass::oid as classid, null::oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_class p on p.oid = i.inhparent
join pg_namespace pn on pn.oid = p.relnamespace
where c.relkind in ('r', 'p', 'f') and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid, i.inhseqno
