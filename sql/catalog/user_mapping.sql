-- User mappings; the user '' is PUBLIC. Read from the view, which hides the options of others' mappings, where the
-- table would refuse.
--@ only with pg_foreign_server where oid >= 16384
select 'user_mapping' as kind, array[m.srvname::text, case when m.umuser = 0 then '' else m.usename::text end] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        -- the condition of the view
        case when not (
                (m.umuser <> 0 and m.usename = current_user
                    and (pg_has_role(s.srvowner, 'usage') or has_server_privilege(s.oid, 'usage')))
                or (m.umuser = 0 and pg_has_role(s.srvowner, 'usage'))
                or (select r.rolsuper from pg_roles r where r.rolname = current_user))
            then true end as hidden,
        case when m.umoptions is not null then
            to_json(m.umoptions) end as options) x) as definition,
    'pg_user_mapping'::regclass::oid as classid, m.umid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_user_mappings m
join pg_foreign_server s on s.oid = m.srvid
where m.umid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_user_mapping'::regclass and d.objid = m.umid and d.deptype = 'e')
order by m.umid
