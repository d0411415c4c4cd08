CREATE SCHEMA shop;
CREATE TABLE shop.maker (id integer);
CREATE TABLE shop.item (id integer, maker_id integer, name text, during int4range);
