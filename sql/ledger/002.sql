-- Version 2 of the ledger: what a run has reached that takes several transactions. A step's row is written in the
-- transaction of the step itself, or before and after what runs in none.
CREATE TABLE :ledger._steps (
    run_id bigint NOT NULL,
    plugin_name text NOT NULL,
    step integer NOT NULL, -- from 1
    step_count integer NOT NULL,
    sql text[] NOT NULL,
    hazards jsonb NOT NULL, -- a list for each statement
    transactional boolean NOT NULL,
    duration_ms double precision[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz, -- null: begun, and not known to have ended
    idx integer, -- the migration that it became a part of; null as long as that is not recorded
    PRIMARY KEY (run_id, step)
);

CREATE INDEX _steps_plugin_name ON :ledger._steps (plugin_name) WHERE idx IS NULL;
