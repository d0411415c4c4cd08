-- Security labels on anything; the reader keeps those whose object is a fact of the snapshot. Of the objects that all
-- databases share, only subscriptions are facts.
--@ only with (select from pg_seclabel union all select from pg_shseclabel) l
select 'security_label' as kind, array[l.provider] as name,
    (select row_to_json(x)::text from (select l.label as label) x) as definition,
    l.classoid as classid, l.objoid as objid, l.objsubid as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_seclabel l
union all
select 'security_label', array[l.provider], (select row_to_json(x)::text from (select l.label as label) x),
    l.classoid, l.objoid, 0, null, null, null
from pg_shseclabel l
where l.classoid = 'pg_subscription'::regclass
