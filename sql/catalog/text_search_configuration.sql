-- Text search configurations: their parser, and the dictionaries of each type of token in the order they are asked.
--@ only with pg_ts_config where oid >= 16384
select 'text_search_configuration' as kind, array[n.nspname::text, c.cfgname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        (select to_json(m.mappings) from (select array(select row_to_json(y) from (select
                to_json(array(select format('%%I.%%I', dn.nspname, d.dictname) from pg_ts_config_map cm
                    join pg_ts_dict d on d.oid = cm.mapdict join pg_namespace dn on dn.oid = d.dictnamespace
                    where cm.mapcfg = c.oid and cm.maptokentype = tt.tokid order by cm.mapseqno)) as dictionaries,
                tt.alias as token
            from ts_token_type(c.cfgparser) tt
            where exists (select from pg_ts_config_map cm where cm.mapcfg = c.oid and cm.maptokentype = tt.tokid)
            order by tt.alias collate "C") y) as mappings) m
            where cardinality(m.mappings) > 0) as mappings,
        format('%%I.%%I', pn.nspname, p.prsname) as parser) x) as definition,
    'pg_ts_config'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.cfgowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_ts_config c
join pg_namespace n on n.oid = c.cfgnamespace
join pg_ts_parser p on p.oid = c.cfgparser
join pg_namespace pn on pn.oid = p.prsnamespace
where n.oid = any(%(schemas)s)
    and not exists (select from pg_depend d
        where d.classid = 'pg_ts_config'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
