CREATE SCHEMA shop;
CREATE UNLOGGED TABLE shop.item (id integer PRIMARY KEY, note text) WITH (fillfactor = 80, autovacuum_enabled = off);
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.item FORCE ROW LEVEL SECURITY;
ALTER TABLE shop.item REPLICA IDENTITY FULL;
