-- Comments on anything; the reader keeps those whose object is a fact of the snapshot.
select 'comment' as kind, array[]::text[] as name,
    (select row_to_json(x)::text from (select d.description as text) x) as definition,
    d.classoid as classid, d.objoid as objid, d.objsubid as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_description d
where (d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass) and d.description <> ''
