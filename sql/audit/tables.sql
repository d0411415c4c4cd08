-- The log of DDL: a schema of its own, whose owner cannot log in. Run once, by a superuser, in one transaction.
-- It is no part of the ledger's schema: who applies migrations owns that one, and must not be able to change what is
-- written here of others and of himself.
CREATE SCHEMA reconciler_audit AUTHORIZATION reconciler_audit;
REVOKE ALL ON SCHEMA reconciler_audit FROM PUBLIC;

-- When the log began, and on which server: catalog rows that are older than `xid` tell nothing.
CREATE TABLE reconciler_audit.installation (
    version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    program_version text NOT NULL
);

-- What a statement did to one object. OIDs, transactions and row versions mean something on one server only, so each row
-- names the system and the database that it was written in: one that was restored elsewhere does not lie.
CREATE TABLE reconciler_audit.ddl (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system bigint NOT NULL,
    database oid NOT NULL,
    xid xid8 NOT NULL,
    at timestamptz NOT NULL,
    event text NOT NULL, -- ddl_command_end, sql_drop, table_rewrite
    tag text NOT NULL,
    classid oid,
    objid oid,
    objsubid integer,
    object_type text,
    identity text,
    names text[], -- of what was dropped, as pg_event_trigger_dropped_objects gives them, with the arguments behind
    relation oid, -- the table that the object is a part of
    login_role name,
    session_role name NOT NULL,
    effective_role name,
    authenticated text, -- from 16 on
    application text,
    client inet, -- null over a Unix socket
    pid integer NOT NULL,
    backend_start timestamptz,
    statement text, -- null where it may hold a secret
    context text, -- the stack of functions, with the inner statement
    versions text[], -- catalog rows that the transaction has left: catalog:classid:objid:objsubid:xmin
    commands bigint[] -- which command of the transaction left each of them
);
CREATE INDEX ddl_xid ON reconciler_audit.ddl (xid);
CREATE INDEX ddl_object ON reconciler_audit.ddl (classid, objid);
CREATE INDEX ddl_relation ON reconciler_audit.ddl (relation) WHERE relation IS NOT NULL;
CREATE INDEX ddl_at ON reconciler_audit.ddl USING brin (at);

-- Each seal covers the rows that became visible since the one before, and is hashed with that one's hash: rows that are
-- changed, added or deleted later do not match, and a seal that was sent elsewhere cannot be forged afterwards.
CREATE TABLE reconciler_audit.seal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    previous bigint NOT NULL UNIQUE, -- the id of the seal before it, 0 for the first: two sealers cannot fork the chain
    at timestamptz NOT NULL,
    since pg_snapshot,
    until pg_snapshot NOT NULL,
    rows bigint NOT NULL,
    hash bytea NOT NULL,
    pruned boolean NOT NULL DEFAULT false -- its rows were older than they are kept
);

ALTER TABLE reconciler_audit.installation OWNER TO reconciler_audit;
ALTER TABLE reconciler_audit.ddl OWNER TO reconciler_audit;
ALTER TABLE reconciler_audit.seal OWNER TO reconciler_audit;
