-- The tables of these names and what is below them, as far as it is reached: whose it is, where, how many levels below,
-- whether somebody works on it who is no client; and deadlock_timeout.
with recursive tree(root, relkind, reach, oid, depth) as (
    select c.oid, c.relkind, w.reach, c.oid, 0
    from unnest(%(schemas)s::text[], %(names)s::text[], %(reach)s::int[]) w(schema, name, reach)
    join pg_catalog.pg_namespace n on n.nspname = w.schema
    join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
    union all
    select t.root, t.relkind, t.reach, i.inhrelid, t.depth + 1
    from tree t join pg_catalog.pg_inherits i on i.inhparent = t.oid
    where t.reach = 2 or t.reach = 1 and t.relkind = 'p')
select rn.nspname::text, r.relname::text, n.nspname::text, c.relname::text, max(t.depth),
    exists (select from pg_catalog.pg_locks l where l.relation = c.oid
        and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
        and l.granted and l.pid <> pg_catalog.pg_backend_pid() and l.mode = any(%(modes)s)),
    (select s.setting::int from pg_catalog.pg_settings s where s.name = 'deadlock_timeout')
from tree t
join pg_catalog.pg_class r on r.oid = t.root
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
join pg_catalog.pg_class c on c.oid = t.oid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and pg_catalog.pg_has_role(c.relowner, 'USAGE')
group by rn.nspname, r.relname, n.nspname, c.relname, c.oid
