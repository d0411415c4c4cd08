-- Casts. The one from a range type to its multirange type follows from the range type.
--@ only with pg_cast where oid >= 16384
select 'cast' as kind, array[format_type(c.castsource, null), format_type(c.casttarget, null)] as name,
    (select json_strip_nulls(row_to_json(x))::text from (select
        case c.castcontext when 'a' then 'assignment' when 'i' then 'implicit' end as context,
        nullif(c.castfunc, 0)::regprocedure::text as function,
        case c.castmethod when 'b' then 'binary' when 'i' then 'inout' end as method) x) as definition,
    'pg_cast'::regclass::oid as classid, c.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_cast c
where c.oid >= 16384
    and not exists (select from pg_depend d
        where d.classid = 'pg_cast'::regclass and d.objid = c.oid and d.deptype in ('e', 'i'))
order by c.oid
