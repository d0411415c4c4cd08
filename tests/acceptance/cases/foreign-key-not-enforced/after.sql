CREATE SCHEMA shop;
CREATE TABLE shop.maker (id integer PRIMARY KEY);
CREATE TABLE shop.item (id integer, maker_id integer);
ALTER TABLE shop.item ADD CONSTRAINT item_maker FOREIGN KEY (maker_id) REFERENCES shop.maker NOT ENFORCED;
