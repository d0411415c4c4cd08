-- Extensions; their members are left out everywhere else. plpgsql comes with every database.
--@ only with pg_extension where oid >= 16384
select 'extension' as kind, array[e.extname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        n.nspname as schema,
        e.extversion as version) x) as definition,
    'pg_extension'::regclass::oid as classid, e.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_extension e
join pg_namespace n on n.oid = e.extnamespace
where e.oid >= 16384
