CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
CREATE INDEX item_b ON shop.item (lower(b)) WITH (fillfactor = 70) WHERE a > 0;
CREATE INDEX item_order ON shop.item (a) WITH (deduplicate_items = off, fillfactor = 90);
