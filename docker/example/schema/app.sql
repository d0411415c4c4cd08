CREATE TYPE visit_kind AS ENUM ('page', 'health');

CREATE TABLE visits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind visit_kind NOT NULL DEFAULT 'page',
    path text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX visits_seen_at_idx ON visits (seen_at);

CREATE VIEW visits_per_path AS
    SELECT path, count(*) AS visits FROM visits GROUP BY path;
