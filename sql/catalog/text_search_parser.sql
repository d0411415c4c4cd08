-- Text search parsers. They have no owner.
--@ only with pg_ts_parser where oid >= 16384
select 'text_search_parser' as kind, array[n.nspname::text, p.prsname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        p.prsend::regproc::text as "end",
        p.prstoken::regproc::text as get_token,
        nullif(p.prsheadline, 0)::regproc::text as headline,
        p.prslextype::regproc::text as lex_types,
        p.prsstart::regproc::text as start) x) as definition,
    'pg_ts_parser'::regclass::oid as classid, p.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_ts_parser p
join pg_namespace n on n.oid = p.prsnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_ts_parser'::regclass and d.objid = p.oid and d.deptype = 'e')
order by p.oid
