-- Five small changes of the product for many tenants, and what they do to nothing else.
ALTER TABLE t_bolt.tasks ADD COLUMN estimate interval NOT NULL DEFAULT '1 day';
ALTER TYPE t_crux.state ADD VALUE 'waiting' BEFORE 'doing';
CREATE OR REPLACE FUNCTION core.cents(numeric, integer) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN $2 * core.cents($1);
ALTER POLICY members ON t_dune.tasks TO world_reader;
GRANT SELECT ON api.late TO world_writer;
