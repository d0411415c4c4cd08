CREATE SCHEMA shop;
CREATE TABLE shop.item (
    id integer,
    named integer DEFAULT 5 CONSTRAINT item_is_named NOT NULL, -- reconciler: backfill id + 1
    alone integer NOT NULL NO INHERIT, -- reconciler: backfill id + 2
    later integer -- reconciler: backfill id + 3
);
COMMENT ON CONSTRAINT item_is_named ON shop.item IS 'from the id';
ALTER TABLE shop.item ADD CONSTRAINT item_has_later NOT NULL later NOT VALID;
