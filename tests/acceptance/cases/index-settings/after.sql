CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
CREATE INDEX item_b ON shop.item (lower(b)) WITH (fillfactor = 80, deduplicate_items = off) WHERE a > 0;
CREATE INDEX item_order ON shop.item (a) WITH (fillfactor = 90, deduplicate_items = off);
ALTER INDEX shop.item_b ALTER COLUMN 1 SET STATISTICS 500;
ALTER TABLE shop.item REPLICA IDENTITY NOTHING;
