-- Whose the tables of these names, and those below them, are that belong to one of these roles: (schema, name, owner,
-- whether it is one below).
with recursive tree(relation, is_below) as (
    select c.oid, false
    from unnest(%(schemas)s::text[], %(names)s::text[]) w(schema, name)
    join pg_namespace n on n.nspname = w.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = w.name
    union
    select i.inhrelid, true from tree t join pg_inherits i on i.inhparent = t.relation
)
select n.nspname::text, c.relname::text, pg_get_userbyid(c.relowner)::text, t.is_below
from tree t
join pg_class c on c.oid = t.relation
join pg_namespace n on n.oid = c.relnamespace
where pg_get_userbyid(c.relowner) = any(%(others)s) and c.relkind in ('r', 'p', 'f')
order by t.is_below, 1, 2
