-- Comments on anything; the reader keeps those whose object is a fact of the snapshot.
select d.classoid as classid, d.objoid as objid, d.objsubid as subid, to_json(d.description)::text as text
from pg_description d
where (d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass) and d.description <> ''
