CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer CONSTRAINT item_a UNIQUE);
