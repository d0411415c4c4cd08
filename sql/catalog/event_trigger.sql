-- Event triggers.
--@ only with pg_event_trigger where oid >= 16384
select 'event_trigger' as kind, array[e.evtname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case e.evtenabled when 'D' then 'DISABLE' when 'R' then 'ENABLE REPLICA' when 'A' then 'ENABLE ALWAYS' end
            as enabled,
        e.evtevent as event,
        e.evtfoid::regproc::text as function,
        to_json(e.evttags) as tags) x) as definition,
    'pg_event_trigger'::regclass::oid as classid, e.oid as objid, 0 as subid,
    pg_get_userbyid(e.evtowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_event_trigger e
where e.oid >= 16384
    -- The log's own: `audit` makes and removes them, and no declaration has them.
    and not (e.evtname like 'reconciler\_audit\_%%'
        and e.evtfoid in (select p.oid from pg_proc p where p.pronamespace = to_regnamespace('reconciler_audit')))
    and not exists (select from pg_depend d
        where d.classid = 'pg_event_trigger'::regclass and d.objid = e.oid and d.deptype = 'e')
order by e.oid
