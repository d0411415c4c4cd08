-- Where the database stands: which transactions are visible, on which server and in which database, and whether one with
-- logged DDL is visible that was not when %(since)s was written down (null: nothing was).
SELECT pg_catalog.concat_ws(' ', control.system_identifier, database.oid, pg_catalog.pg_current_snapshot()),
    known.place IS DISTINCT FROM pg_catalog.concat_ws(' ', control.system_identifier, database.oid)
        OR EXISTS (
            SELECT FROM reconciler_audit.ddl AS entry
            WHERE entry.xid >= pg_catalog.pg_snapshot_xmin(known.snapshot)
                AND NOT pg_catalog.pg_visible_in_snapshot(entry.xid, known.snapshot)
        )
FROM pg_catalog.pg_control_system() AS control,
    pg_catalog.pg_database AS database,
    LATERAL (
        SELECT pg_catalog.substring(%(since)s::text, '^\S+ \S+'),
            pg_catalog.substring(%(since)s::text, '\S+$')::pg_catalog.pg_snapshot
    ) AS known(place, snapshot)
WHERE database.datname = pg_catalog.current_database()
