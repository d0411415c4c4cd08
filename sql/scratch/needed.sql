-- What needs one of these objects (type and identity, as pg_identify_object gives them), a row for each: what it is, and
-- the number of the one that it needs.
with wanted as (
    select i.classid, i.objid, w.number
    from unnest(%(classes)s::text[], %(identities)s::text[]) with ordinality w(class, identity, number)
    cross join lateral (
        select 'pg_proc'::regclass::oid, p.oid from pg_proc p
        where w.class in ('function', 'procedure', 'aggregate') and p.proname = any(%(names)s)
            and (pg_identify_object('pg_proc'::regclass, p.oid, 0)).identity = w.identity
        union all
        select 'pg_operator'::regclass, o.oid from pg_operator o
        where w.class = 'operator' and o.oprname = any(%(names)s)
            and (pg_identify_object('pg_operator'::regclass, o.oid, 0)).identity = w.identity
        union all
        select 'pg_type'::regclass, t.oid from pg_type t
        where w.class = 'type' and t.typname = any(%(names)s)
            and (pg_identify_object('pg_type'::regclass, t.oid, 0)).identity = w.identity
        union all
        select 'pg_type'::regclass, t.typarray from pg_type t
        where w.class = 'type' and t.typname = any(%(names)s) and t.typarray <> 0
            and (pg_identify_object('pg_type'::regclass, t.oid, 0)).identity = w.identity
        union all
        select 'pg_class'::regclass, c.oid from pg_class c
        where w.class in ('table', 'view', 'materialized view', 'foreign table', 'sequence') and c.relname = any(%(names)s)
            and (pg_identify_object('pg_class'::regclass, c.oid, 0)).identity = w.identity
        union all
        select 'pg_collation'::regclass, c.oid from pg_collation c
        where w.class = 'collation' and c.collname = any(%(names)s)
            and (pg_identify_object('pg_collation'::regclass, c.oid, 0)).identity = w.identity
        union all
        select 'pg_opclass'::regclass, o.oid from pg_opclass o
        where w.class = 'operator class' and o.opcname = any(%(names)s)
            and (pg_identify_object('pg_opclass'::regclass, o.oid, 0)).identity = w.identity
        union all
        select 'pg_ts_config'::regclass, t.oid from pg_ts_config t
        where w.class = 'text search configuration' and t.cfgname = any(%(names)s)
            and (pg_identify_object('pg_ts_config'::regclass, t.oid, 0)).identity = w.identity
        union all
        select 'pg_ts_dict'::regclass, t.oid from pg_ts_dict t
        where w.class = 'text search dictionary' and t.dictname = any(%(names)s)
            and (pg_identify_object('pg_ts_dict'::regclass, t.oid, 0)).identity = w.identity
    ) i(classid, objid)
)
select distinct d.classid::bigint, d.objid::bigint, d.objsubid, w.number::int,
    pg_describe_object(d.classid, d.objid, d.objsubid)
from wanted w
join pg_depend d on d.refclassid = w.classid and d.refobjid = w.objid
where d.deptype in ('n', 'a') and not (d.classid = 'pg_type'::regclass and w.classid = 'pg_class'::regclass)
