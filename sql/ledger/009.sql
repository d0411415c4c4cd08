-- Version 9 of the ledger: the schemas of a plugin as they were: what each run left and each look found, as the difference to
-- the one before, and whole from time to time.
CREATE TABLE :ledger._states (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plugin_name text NOT NULL,
    previous bigint NOT NULL, -- the id of the one before it, 0 for the first: two who write at once cannot fork the chain
    idx integer, -- the migration that left it; null where it was only seen
    seen_from timestamptz NOT NULL, -- by the server's clock
    seen_until timestamptz NOT NULL, -- when it was last seen; what came after it can be older than its seen_from
    fingerprint text NOT NULL,
    is_whole boolean NOT NULL,
    content bytea NOT NULL, -- compressed
    UNIQUE (plugin_name, previous)
);
