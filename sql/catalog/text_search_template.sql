-- Text search templates. They have no owner.
--@ only with pg_ts_template where oid >= 16384
select 'text_search_template' as kind, array[n.nspname::text, t.tmplname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        nullif(t.tmplinit, 0)::regproc::text as init,
        t.tmpllexize::regproc::text as lexize) x) as definition,
    'pg_ts_template'::regclass::oid as classid, t.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_ts_template t
join pg_namespace n on n.oid = t.tmplnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_ts_template'::regclass and d.objid = t.oid and d.deptype = 'e')
order by t.oid
