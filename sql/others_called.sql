-- What of these roles the tables lead to, of these kinds (routine, type, relation): (schema, table, what, owner). A table
-- leads to its constraints, defaults, generated columns and indexes, one that is written to its triggers and rules, a
-- type to its checks and casts, and each of these to what it needs. Among routines are what they say of their tables and
-- types, by functions of anybody, which may do more for who is more: no dependency tells of the system's.
with recursive doing(pattern) as (
    select ':(op)?funcid (' || string_agg(p.oid::text, '|') || ') '
    from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and p.proacl is not null
        or p.proname ~ '^(table|schema|database)_to_xml'
        or p.provolatile = 'v' and p.prokind = 'f' and not (p.pronamespace = 'pg_catalog'::regnamespace
            and p.proname in ('clock_timestamp', 'currval', 'gen_random_uuid', 'lastval', 'nextval', 'pg_is_in_recovery',
                'random', 'random_normal', 'timeofday', 'uuidv4', 'uuidv7'))
),
reach(root, classid, objid) as (
    select c.oid, 'pg_class'::regclass::oid, c.oid
    from unnest(%(schemas)s::text[], %(tables)s::text[]) w(schema, name)
    join pg_namespace n on n.nspname = w.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = w.name
    union
    select r.root, x.classid, x.objid
    from reach r
    cross join lateral (
        select d.refclassid, d.refobjid from pg_depend d
        where d.classid = r.classid and d.objid = r.objid and d.refobjid >= 16384
        union all
        select d.classid, d.objid from pg_depend d
        where d.refclassid = r.classid and d.refobjid = r.objid and d.classid in ('pg_constraint'::regclass,
                'pg_attrdef'::regclass, 'pg_cast'::regclass)
        union all
        select d.classid, d.objid from pg_depend d join pg_index i on i.indexrelid = d.objid
        where d.refclassid = r.classid and d.refobjid = r.objid and d.classid = 'pg_class'::regclass
        union all
        select 'pg_trigger'::regclass, t.oid from pg_trigger t
        where %(is_written)s and r.classid = 'pg_class'::regclass and t.tgrelid = r.objid and not t.tgisinternal
        union all
        select 'pg_rewrite'::regclass, w.oid from pg_rewrite w
        where %(is_written)s and r.classid = 'pg_class'::regclass and w.ev_class = r.objid and w.ev_type <> '1'
        union all
        select 'pg_class'::regclass, h.inhrelid from pg_inherits h
        where r.classid = 'pg_class'::regclass and h.inhparent = r.objid) x(classid, objid)
)
select distinct on (n.nspname, c.relname) n.nspname::text, c.relname::text,
    pg_describe_object(r.classid, r.objid, 0), o.rolname::text
from reach r
join pg_class c on c.oid = r.root
join pg_namespace n on n.oid = c.relnamespace
left join pg_class t on r.classid = 'pg_class'::regclass and t.oid = r.objid and t.relkind <> 'i'
left join pg_proc p on r.classid = 'pg_proc'::regclass and p.oid = r.objid
left join pg_type y on r.classid = 'pg_type'::regclass and y.oid = r.objid
left join pg_constraint k on r.classid = 'pg_constraint'::regclass and k.oid = r.objid
left join pg_attrdef d on r.classid = 'pg_attrdef'::regclass and d.oid = r.objid
left join pg_trigger g on r.classid = 'pg_trigger'::regclass and g.oid = r.objid
left join pg_rewrite w on r.classid = 'pg_rewrite'::regclass and w.oid = r.objid
left join pg_class said on said.oid = coalesce(nullif(k.conrelid, 0), d.adrelid, g.tgrelid, w.ev_class)
left join pg_type saidof on saidof.oid = k.contypid
join pg_roles o on o.oid = coalesce(t.relowner, p.proowner, y.typowner, said.relowner, saidof.typowner)
where o.rolname = any(%(others)s)
    and (coalesce(t.oid, p.oid, y.oid) is not null
        or concat(k.conbin::text, d.adbin::text, g.tgqual::text, w.ev_qual::text, w.ev_action::text)
            ~ (select pattern from doing))
    and case when coalesce(t.oid, y.oid) is null then 'routine' when y.oid is not null then 'type' else 'relation' end
        = any(%(kinds)s)
order by n.nspname, c.relname, r.classid, r.objid
