-- What the plan needs and this role, or this server, does not have: (what, name as an array).
select 'owner' as what, array[r.name] as name
from unnest(%(owner)s::text[]) r(name)
where not exists (select from pg_catalog.pg_roles o where o.rolname = r.name and pg_catalog.pg_has_role(o.oid, 'USAGE'))
union all
select case when o.oid is null then 'role' else 'member' end, array[r.name]
from unnest(%(member)s::text[]) r(name)
left join pg_catalog.pg_roles o on o.rolname = r.name
where o.oid is null or not pg_catalog.pg_has_role(o.oid, %(membership)s)
union all
select 'role', array[r.name]
from unnest(%(role)s::text[]) r(name)
where not exists (select from pg_catalog.pg_roles o where o.rolname = r.name)
union all
select 'schema', array[n.nspname::text]
from pg_catalog.pg_namespace n
where n.nspname = any(%(schema)s::text[]) and not pg_catalog.has_schema_privilege(n.oid, 'CREATE')
union all
select 'references', array[n.nspname::text, c.relname::text]
from unnest(%(schemas)s::text[], %(tables)s::text[]) t(schema, name)
join pg_catalog.pg_namespace n on n.nspname = t.schema
join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = t.name
where not pg_catalog.has_any_column_privilege(c.oid, 'REFERENCES')
union all
select 'database', array[]::text[]
where %(database)s and not pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')
union all
-- What pg_tle keeps in tables is not listed among the files of the server.
select 'extension', array[e.name]
from unnest(%(extension)s::text[]) e(name)
where not exists (select from pg_catalog.pg_available_extensions a where a.name = e.name)
    and not exists (select from pg_catalog.pg_extension x where x.extname = 'pg_tle')
