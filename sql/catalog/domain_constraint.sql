-- CHECK constraints of domains. A domain's NOT NULL belongs to the domain, also where 18 lists it as a constraint.
--@ only with pg_type where oid >= 16384 and typtype = 'd'
select 'domain_constraint' as kind, array[n.nspname::text, t.typname::text, o.conname::text] as name,
    (select row_to_json(x)::text from (select pg_get_constraintdef(o.oid) as definition) x) as definition,
    'pg_constraint'::regclass::oid as classid, o.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_constraint o
join pg_type t on t.oid = o.contypid
join pg_namespace n on n.oid = t.typnamespace
where o.contype = 'c' and n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')
