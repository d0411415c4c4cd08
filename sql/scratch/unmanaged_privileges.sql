-- Privileges on what is not managed here: members of extensions and objects of Postgres itself, of any kind.
-- (what it is, its identity, the extension that it is a member of or null, acl, the acl that it came with or null)
with found as (
    select 'pg_class'::regclass as classid, oid, 0 as subid, relacl::text as acl from pg_class
    union all select 'pg_class'::regclass, attrelid, attnum::int, attacl::text from pg_attribute
    union all select 'pg_proc'::regclass, oid, 0, proacl::text from pg_proc
    union all select 'pg_type'::regclass, oid, 0, typacl::text from pg_type
    union all select 'pg_namespace'::regclass, oid, 0, nspacl::text from pg_namespace where nspname <> 'public'
    union all select 'pg_language'::regclass, oid, 0, lanacl::text from pg_language
    union all select 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwacl::text from pg_foreign_data_wrapper
    union all select 'pg_foreign_server'::regclass, oid, 0, srvacl::text from pg_foreign_server
)
select i.type, i.identity, e.extname::text, f.acl, p.initprivs::text
from found f
left join pg_depend d on d.classid = f.classid and d.objid = f.oid and d.objsubid = 0 and d.deptype = 'e'
left join pg_extension e on e.oid = d.refobjid
left join pg_init_privs p on p.classoid = f.classid and p.objoid = f.oid and p.objsubid = f.subid
cross join lateral pg_identify_object(f.classid, f.oid, f.subid) i
where f.acl is not null and (f.oid < 16384 or e.oid is not null)
