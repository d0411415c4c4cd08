CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('large', 'small');
CREATE TYPE shop.pair AS (a bigint, b shop.size, e date, d text);
CREATE TYPE shop.other AS (a integer, b varchar(10), c text);
CREATE FUNCTION shop.twice(shop.pair) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT 2 * ($1).a $$;
CREATE TABLE shop.item OF shop.pair (PRIMARY KEY (a), b WITH OPTIONS NOT NULL DEFAULT 'small');
CREATE VIEW shop.twice AS SELECT shop.twice(item) FROM shop.item;
CREATE TABLE shop.holds (value shop.pair);
CREATE TABLE shop.loose OF shop.other;
