CREATE SCHEMA shop;
CREATE TABLE shop.item (id integer PRIMARY KEY, note text);
ALTER TABLE shop.item SET (fillfactor = 70, toast.autovacuum_enabled = off);
