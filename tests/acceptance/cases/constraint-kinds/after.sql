CREATE SCHEMA shop;

CREATE TABLE shop.maker (id integer PRIMARY KEY);
CREATE TABLE shop.item (
    id integer CONSTRAINT item_id_key UNIQUE DEFERRABLE,
    maker_id integer CONSTRAINT item_maker REFERENCES shop.maker ON DELETE CASCADE ON UPDATE SET NULL,
    name text CONSTRAINT item_name CHECK (name <> ''),
    during int4range,
    CONSTRAINT item_during EXCLUDE USING gist (during WITH &&)
);
