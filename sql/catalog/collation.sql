-- Collations that work in this database's encoding. The version of the library's rules is state, not definition.
-- The locale of ICU stands in another column from 15 on, and again from 17 on: to_json finds it in whichever there is.
--@ only with pg_collation where oid >= 16384
select 'collation' as kind, array[n.nspname::text, c.collname::text] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        -- only a copy of pg_catalog's C or POSIX is such a one
        case when c.collprovider = 'c' and c.collencoding = -1 then true end as any_encoding,
        case when c.collcollate <> c.collctype then c.collcollate end as lc_collate,
        case when c.collcollate <> c.collctype then c.collctype end as lc_ctype,
        coalesce(to_json(c) ->> 'colllocale', to_json(c) ->> 'colliculocale',
            case when c.collcollate = c.collctype then c.collcollate::text end) as locale,
        case when not c.collisdeterministic then true end as nondeterministic,
        case c.collprovider when 'i' then 'icu' when 'b' then 'builtin' end as provider,
        to_json(c) ->> 'collicurules' as rules) x) as definition,
    'pg_collation'::regclass::oid as classid, c.oid as objid, 0 as subid,
    pg_get_userbyid(c.collowner) as owner, null::text[] as acl, null::text[] as acl_default
from pg_collation c
join pg_namespace n on n.oid = c.collnamespace
where n.oid = any(%(schemas)s) and c.collencoding in (-1, pg_char_to_encoding(getdatabaseencoding()))
    and not exists (select from pg_depend d
        where d.classid = 'pg_collation'::regclass and d.objid = c.oid and d.deptype = 'e')
order by c.oid
