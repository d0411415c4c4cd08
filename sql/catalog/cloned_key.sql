-- Not facts, but evidence beside them: the keys of partitions that Postgres made with those of the parent, under the names
-- that it chooses. One that was there before and was adopted looks the same, but for a mark that nobody can change.
--@ only with pg_inherits
select 'cloned_key' as kind, array[n.nspname::text, c.relname::text, o.conname::text] as name,
    null::text as definition,
    'pg_constraint'::regclass::oid as classid, o.oid as objid, 0 as subid,
    null::text as owner, null::text[] as acl, null::text[] as acl_default
from pg_constraint o
join pg_class c on c.oid = o.conrelid
join pg_namespace n on n.oid = c.relnamespace
where o.conparentid <> 0 and o.contype in ('p', 'u', 'x') and not o.connoinherit
    and o.conname = (
        select format('%%s%%s', c.relname, case o.contype when 'p' then '_pkey' else
            format(case o.contype when 'u' then '_%%s_key' else '_%%s_excl' end, string_agg(a.attname, '_' order by k.place)) end)
        from unnest(o.conkey) with ordinality k(attnum, place)
        join pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.attnum)
    and c.relpersistence <> 't' and n.oid = any(%(schemas)s)
