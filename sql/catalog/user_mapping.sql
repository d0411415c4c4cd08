-- User mappings; the user '' is PUBLIC. The hash of a secret option stands for its value. Read from the view, which
-- hides the options of others' mappings, where the table would refuse.
select 'user_mapping' as kind, array[m.srvname::text, case when m.umuser = 0 then '' else m.usename::text end] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case when m.umoptions is not null then to_json(array(select case
                when o ~* '^(?!password_required=)[^=]*(password|passwd|passphrase|pwd|secret|token|credential|(api|access|private)_?key)[^=]*='
                    or o ~* '=.*(://[^/?#]*:[^/?#]*@|passw(or)?d\s*=)'
                then split_part(o, '=', 1) || '=***sha256:'
                    || encode(sha256(convert_to(substr(o, strpos(o, '=') + 1), 'UTF8')), 'hex')
                else o end
            from unnest(m.umoptions) o order by split_part(o, '=', 1) collate "C")) end as options) x) as definition,
    'pg_user_mapping'::regclass::oid as classid, m.umid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_user_mappings m
where m.umid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_user_mapping'::regclass and d.objid = m.umid and d.deptype = 'e')
order by m.umid
