-- The relations of these names, and those that are reached from them: what they are, whose, the mode (its place among the
-- table-level locks) in which each is locked, what clients lock before it, and whether somebody works on it who is no
-- client. A former name goes before the one that a rename will give.
with recursive wanted(relation, mode, reach) as (
    select coalesce(
            (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where n.nspname = w.former_schema and c.relname = w.former_name),
            (select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where n.nspname = w.schema and c.relname = w.name)),
        w.mode, pg_catalog.string_to_array(w.reach, ',')
    from unnest(%(schemas)s::text[], %(names)s::text[], %(former_schemas)s::text[],
        %(former_names)s::text[], %(modes)s::int[], %(reach)s::text[])
        w(schema, name, former_schema, former_name, mode, reach)),
below(relation, mode, reach) as (
    select w.relation, w.mode, w.reach from wanted w where w.relation is not null
    union
    select i.inhrelid, b.mode, b.reach
    from below b
    join pg_catalog.pg_class c on c.oid = b.relation
    join pg_catalog.pg_inherits i on i.inhparent = b.relation
    where 'children' = any(b.reach) or 'partitions' = any(b.reach) and c.relkind = 'p'),
beside(relation, mode) as (
    select i.inhparent, %(exclusive)s
    from below b
    join pg_catalog.pg_class c on c.oid = b.relation and c.relispartition
    join pg_catalog.pg_inherits i on i.inhrelid = b.relation
    where 'parent' = any(b.reach)
    union
    select p.partdefid, %(exclusive)s
    from below b
    join pg_catalog.pg_inherits i on i.inhrelid = b.relation
    join pg_catalog.pg_partitioned_table p on p.partrelid = i.inhparent and p.partdefid <> 0
    where 'parent' = any(b.reach)
    union
    select p.partdefid, %(exclusive)s
    from below b
    join pg_catalog.pg_partitioned_table p on p.partrelid = b.relation and p.partdefid <> 0
    where 'default partition' = any(b.reach)
    union
    select case when k.conrelid = b.relation then k.confrelid else k.conrelid end, greatest(b.mode, %(foreign_key)s)
    from below b
    join pg_catalog.pg_constraint k on k.contype = 'f' and (k.conrelid = b.relation or k.confrelid = b.relation)
    where 'foreign keys' = any(b.reach)
    union
    select d.objid, b.mode
    from below b
    join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = b.relation
        and d.refobjsubid > 0 and d.classid = 'pg_catalog.pg_class'::regclass and d.deptype in ('a', 'i')
    join pg_catalog.pg_class c on c.oid = d.objid and c.relkind = 'S'
    where 'sequences' = any(b.reach)),
-- A default partition may have partitions of its own.
beside_below(relation, mode) as (
    select relation, mode from beside
    union
    select i.inhrelid, b.mode
    from beside_below b
    join pg_catalog.pg_partitioned_table p on p.partdefid = b.relation
    join pg_catalog.pg_inherits i on i.inhparent = b.relation),
found(relation, mode) as (
    select each.relation, pg_catalog.max(each.mode)
    from (select relation, mode from below union all select relation, mode from beside_below) each
    group by each.relation
    having pg_catalog.max(each.mode) >= %(blocking)s),
above(relation, outside) as (
    select f.relation, f.relation from found f
    union
    select a.relation, o.relation
    from above a
    cross join lateral (
        select i.inhparent from pg_catalog.pg_inherits i where i.inhrelid = a.outside
        union all
        select r.ev_class
        from pg_catalog.pg_depend d
        join pg_catalog.pg_rewrite r on r.oid = d.objid and r.ev_class <> a.outside
        join pg_catalog.pg_class v on v.oid = r.ev_class and v.relkind = 'v'
        where d.classid = 'pg_catalog.pg_rewrite'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
            and d.refobjid = a.outside) o(relation))
select c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, pg_catalog.pg_get_userbyid(c.relowner)::text,
    f.mode,
    array(select a.outside::bigint from above a where a.relation = f.relation and a.outside <> f.relation),
    c.relkind in ('r', 'p') and exists (select from pg_catalog.pg_locks l
        where l.relation = c.oid and l.locktype = 'relation'
        and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
        and l.granted and l.pid <> pg_catalog.pg_backend_pid() and l.mode = any(%(maintenance)s))
from found f
join pg_catalog.pg_class c on c.oid = f.relation
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where pg_catalog.pg_has_role(c.relowner, 'USAGE') and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'c')
    or c.relkind in ('r', 'p') and pg_catalog.has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')
        and pg_catalog.has_schema_privilege(n.oid, 'USAGE')
