CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('small', 'large');
CREATE TYPE shop.pair AS (a integer, b shop.size, c text);
CREATE FUNCTION shop.twice(shop.pair) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT 2 * ($1).a $$;
CREATE TABLE shop.item OF shop.pair (PRIMARY KEY (a), b WITH OPTIONS NOT NULL DEFAULT 'small');
CREATE VIEW shop.twice AS SELECT shop.twice(item) FROM shop.item;
CREATE TABLE shop.holds (value shop.pair);
CREATE TABLE shop.loose (z text, a integer, b text);
