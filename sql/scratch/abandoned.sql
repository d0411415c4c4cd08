-- Temporary databases that nobody uses: no session is in them, and nobody holds the lock that their run took before it made
-- them, in whichever database.
select d.datname from pg_catalog.pg_database d
where pg_catalog.starts_with(d.datname::text, %s)
    and not exists (select from pg_catalog.pg_stat_activity a where a.datid = d.oid)
    and not exists (select from pg_catalog.pg_locks l
        where l.locktype = 'advisory' and l.granted and l.objsubid = 1
            and (l.classid::bigint << 32) | l.objid::bigint = pg_catalog.hashtextextended(d.datname::text, 0))
