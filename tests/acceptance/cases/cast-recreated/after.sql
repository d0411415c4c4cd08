CREATE SCHEMA shop;
CREATE TYPE shop.pair AS (a integer);
CREATE FUNCTION shop.to_int(shop.pair) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1.a';
CREATE CAST (shop.pair AS integer) WITH FUNCTION shop.to_int(shop.pair) AS ASSIGNMENT;
