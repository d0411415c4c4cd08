-- Security labels on anything; the reader keeps those whose object is a fact of the snapshot. Of the objects that all
-- databases share, only subscriptions are facts.
select l.classoid as classid, l.objoid as objid, l.objsubid as subid, l.provider, to_json(l.label)::text as text
from pg_seclabel l
union all
select l.classoid, l.objoid, 0, l.provider, to_json(l.label)::text
from pg_shseclabel l
where l.classoid = 'pg_subscription'::regclass
