-- Where a partition's part of its parent's trigger is switched in another way than that one.
--@ only with pg_trigger where oid >= 16384 and not tgisinternal
select 'partition_trigger' as kind, array[n.nspname::text, c.relname::text, t.tgname::text] as name,
    (select row_to_json(x)::text from (select
        case t.tgenabled when 'O' then 'ENABLE' when 'D' then 'DISABLE' when 'R' then 'ENABLE REPLICA'
            when 'A' then 'ENABLE ALWAYS' end as enabled) x) as definition,
    'pg_trigger'::regclass::oid as classid, t.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_trigger t
join pg_trigger p on p.oid = t.tgparentid
join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace
where not t.tgisinternal and t.tgenabled <> p.tgenabled and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
