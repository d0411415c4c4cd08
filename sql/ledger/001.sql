-- Version 1 of the ledger. Run once, in one transaction, under the ledger's advisory lock, in the ledger's schema.
-- The first three tables are those of elizaOS's dynamic migrator, column by column, so that a database which already
-- has them is taken over as it is; everything they lack stands in tables of our own.

CREATE TABLE IF NOT EXISTS :ledger._migrations (
    id SERIAL PRIMARY KEY,
    plugin_name TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS :ledger._journal (
    plugin_name TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    dialect TEXT NOT NULL DEFAULT 'postgresql',
    entries JSONB NOT NULL DEFAULT '[]'
);

CREATE TABLE IF NOT EXISTS :ledger._snapshots (
    id SERIAL PRIMARY KEY,
    plugin_name TEXT NOT NULL,
    idx INTEGER NOT NULL,
    snapshot JSONB NOT NULL,
    created_at TIMESTAMP DEFAULT NOW(),
    UNIQUE(plugin_name, idx)
);

-- Which versions of these files have been run here.
CREATE TABLE :ledger._ledger (
    version integer PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    program_version text NOT NULL
);

-- Every run that tried to change something, also the failed ones, which leave no row in _migrations.
CREATE TABLE :ledger._runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin_name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('apply', 'repair', 'adopt', 'rollback')),
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    outcome text NOT NULL CHECK (outcome IN ('running', 'succeeded', 'failed')),
    idx integer, -- the migration that it wrote; null where it failed
    desired_fingerprint text,
    live_before text,
    live_after text,
    statement_count integer NOT NULL DEFAULT 0,
    error text,
    sqlstate text,
    failed_statement text,
    program_version text NOT NULL,
    database_user text NOT NULL DEFAULT session_user,
    client_address inet DEFAULT inet_client_addr(), -- null over a Unix socket
    application_name text NOT NULL DEFAULT current_setting('application_name')
);

CREATE INDEX _runs_plugin_name ON :ledger._runs (plugin_name, id);

-- The SQL of each migration, in the order in which it ran.
CREATE TABLE :ledger._statements (
    plugin_name text NOT NULL,
    idx integer NOT NULL,
    position integer NOT NULL, -- from 1
    sql text NOT NULL,
    hazards jsonb NOT NULL DEFAULT '[]',
    transactional boolean NOT NULL DEFAULT true,
    duration_ms double precision,
    PRIMARY KEY (plugin_name, idx, position)
);

-- What each migration declared. The row of _migrations that belongs to an idx is named here, since it has none itself.
CREATE TABLE :ledger._sources (
    plugin_name text NOT NULL,
    idx integer NOT NULL,
    migration_id integer NOT NULL,
    text text NOT NULL,
    description text NOT NULL, -- where the text came from: files, a command, metadata
    PRIMARY KEY (plugin_name, idx)
);

-- The cheap mark of the live catalog at the moment when it was last seen to equal what is declared.
CREATE TABLE :ledger._marks (
    plugin_name text PRIMARY KEY,
    idx integer NOT NULL,
    mark text NOT NULL,
    schemas text[] NOT NULL,
    desired_fingerprint text NOT NULL,
    scope jsonb NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now()
);
