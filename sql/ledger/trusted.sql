-- The roles that this one may believe in the ledger: itself, those that it was made a member of, superusers, and the owner
-- of the database. A superuser counts as a member of nobody here, although it may do all that anybody may.
WITH RECURSIVE mine(role) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user
    UNION
    -- Since 16 who creates a role is a member of it, but may neither use nor take its rights.
    SELECT membership.roleid
    FROM mine JOIN pg_catalog.pg_auth_members AS membership ON membership.member = mine.role
    CROSS JOIN pg_catalog.to_jsonb(membership) AS options(value)
    WHERE COALESCE((options.value ->> 'set_option')::boolean, true)
        OR COALESCE((options.value ->> 'inherit_option')::boolean, true)
),
trusted(role) AS (
    SELECT role FROM mine
    UNION SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper OR rolname = 'pg_database_owner'
    UNION SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
)
