-- Text search dictionaries. Postgres keeps their options as one text, in the order in which they were last set; each
-- is a `name = value` of its own here, in that order.
--@ only with pg_ts_dict where oid >= 16384
select 'text_search_dictionary' as kind, array[n.nspname::text, c.dictname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when c.dictinitoption is not null then to_json(array(select o[1] || ' = ' || o[2]
            from regexp_matches(c.dictinitoption, $$("(?:[^"]|"")*"|[^\s="]+)\s*=\s*(E?'(?:[^']|'')*'|[^,\s]+)$$, 'g')
                with ordinality x(o, place) order by x.place)) end as options,
        format('%%I.%%I', tn.nspname, t.tmplname) as template) x) as definition,
    'pg_ts_dict'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.dictowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_ts_dict c
join pg_namespace n on n.oid = c.dictnamespace
join pg_ts_template t on t.oid = c.dicttemplate
join pg_namespace tn on tn.oid = t.tmplnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_ts_dict'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
