-- Version 6 of the ledger: drift as incidents, known by plugin and fact (a kind and a name), never by OIDs, so that they
-- survive a dump and an upgrade. Nothing has a default: the program gives each value.
CREATE TABLE :ledger._incidents (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin_name text NOT NULL,
    object jsonb NOT NULL, -- [kind, name]
    fact jsonb NOT NULL, -- [kind, name]
    change text NOT NULL CHECK (change IN ('added', 'removed', 'changed')),
    is_conflict boolean NOT NULL,
    live text, -- the definition when it was last seen; null where live has none
    expected text,
    fingerprint text NOT NULL, -- of both
    opened_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    seen_run bigint NOT NULL, -- the highest id of _runs then; what ended it is a run after that, or nobody's
    revision integer NOT NULL, -- how often something was told of it
    author text, -- a login role, where a log of DDL proves it
    evidence jsonb, -- what that log says
    closed_at timestamptz,
    closed_by text CHECK (closed_by IN ('repair', 'heal', 'accept', 'migration', 'hand', 'forgotten')),
    closed_idx integer,
    heal_tries integer NOT NULL,
    healed_at timestamptz,
    note text
);

CREATE UNIQUE INDEX _incidents_standing ON :ledger._incidents (plugin_name, fact) WHERE closed_at IS NULL;

CREATE TABLE :ledger._acknowledgements (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id bigint NOT NULL,
    by_role text NOT NULL,
    at timestamptz NOT NULL,
    reason text NOT NULL,
    until timestamptz, -- null: for good
    fingerprint text NOT NULL, -- of the drift that was acknowledged: another one of the same fact is not
    ended_at timestamptz -- when it was seen to hold no longer, and that was told
);

CREATE INDEX _acknowledgements_incident_id ON :ledger._acknowledgements (incident_id);

-- What is to be told, written in the transaction in which it became so; delivered_to has who was told.
CREATE TABLE :ledger._outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin_name text NOT NULL,
    incident_id bigint NOT NULL,
    revision integer NOT NULL,
    event text NOT NULL CHECK (event IN ('opened', 'changed', 'resolved')),
    at timestamptz NOT NULL,
    body jsonb NOT NULL,
    delivered_to text[] NOT NULL
);

CREATE UNIQUE INDEX _outbox_revision ON :ledger._outbox (incident_id, revision);

-- Who is told: a hash of the address, which may hold a secret. What was over before it came is not told.
CREATE TABLE :ledger._targets (
    target text PRIMARY KEY,
    since timestamptz NOT NULL,
    description text NOT NULL
);

-- Of several watchers the one whose lease holds acts.
CREATE TABLE :ledger._watchers (
    name text PRIMARY KEY,
    holder text NOT NULL,
    description text NOT NULL,
    expires_at timestamptz NOT NULL
);
