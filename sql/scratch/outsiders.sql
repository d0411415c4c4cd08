-- What these roles have made outside of the managed schemas that the words of a source can mean: (type and identity as
-- pg_identify_object gives them, schema, name, owner, and whether it can be taken for the system's: an operator or routine
-- of the name of one, for types of the system alone; whether the name without quotes is a keyword that names no routine).
with outside as (
    select n.oid, n.nspname from pg_namespace n
    where n.nspname <> all (%(schemas)s) and n.nspname !~ '^(pg_|information_schema$|reconciler_scratch_)'
), found(classid, objid, namespace, name, owner, hides) as (
    select 'pg_proc'::regclass, p.oid, p.pronamespace, p.proname, p.proowner,
        p.proname in (select s.proname from pg_proc s where s.pronamespace = 'pg_catalog'::regnamespace)
            and not exists (select from unnest(p.proargtypes::oid[]) a where a >= 16384)
    from pg_proc p
    union all
    select 'pg_operator'::regclass, o.oid, o.oprnamespace, o.oprname, o.oprowner, o.oprleft < 16384 and o.oprright < 16384
            and o.oprname in (select s.oprname from pg_operator s where s.oprnamespace = 'pg_catalog'::regnamespace)
    from pg_operator o
    union all
    select 'pg_type'::regclass, t.oid, t.typnamespace, t.typname, t.typowner, false from pg_type t
    where t.typelem = 0 or t.typtype <> 'b'
    union all
    select 'pg_class'::regclass, c.oid, c.relnamespace, c.relname, c.relowner, false from pg_class c
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'pg_collation'::regclass, c.oid, c.collnamespace, c.collname, c.collowner, false from pg_collation c
    union all
    select 'pg_opclass'::regclass, o.oid, o.opcnamespace, o.opcname, o.opcowner, false from pg_opclass o
    union all
    select 'pg_ts_config'::regclass, t.oid, t.cfgnamespace, t.cfgname, t.cfgowner, false from pg_ts_config t
    union all
    select 'pg_ts_dict'::regclass, t.oid, t.dictnamespace, t.dictname, t.dictowner, false from pg_ts_dict t
)
select i.type, i.identity, o.nspname::text, f.name::text, pg_get_userbyid(f.owner)::text, f.hides,
    f.name::text in (select k.word from pg_get_keywords() k where k.catcode in ('C', 'R'))
from found f
join outside o on o.oid = f.namespace
cross join lateral pg_identify_object(f.classid, f.objid, 0) i
where f.objid >= 16384 and pg_get_userbyid(f.owner) = any(%(others)s)
    and (o.nspname = 'public' or o.nspname = any(%(words)s))
    and (f.name = any(%(words)s) or f.classid = 'pg_operator'::regclass and position(f.name::text in %(text)s) > 0)
order by 1, 2
