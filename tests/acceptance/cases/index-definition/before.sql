CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer NOT NULL, b text);
CREATE UNIQUE INDEX item_a ON shop.item (a);
ALTER TABLE shop.item CLUSTER ON item_a;
ALTER TABLE shop.item REPLICA IDENTITY USING INDEX item_a;
