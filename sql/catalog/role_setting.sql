-- ALTER ROLE ... IN DATABASE ... SET of this database. What a role has in every database is the server's.
--@ only with pg_db_role_setting
select 'role_setting' as kind, array[pg_get_userbyid(s.setrole)::text, split_part(c.setting, '=', 1)] as name,
    (select row_to_json(x)::text from (select substr(c.setting, strpos(c.setting, '=') + 1) as value) x) as definition,
    'pg_db_role_setting'::regclass::oid as classid, null::oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_db_role_setting s
cross join lateral unnest(s.setconfig) as c(setting)
where s.setrole <> 0 and s.setdatabase = (select oid from pg_database where datname = current_database())
