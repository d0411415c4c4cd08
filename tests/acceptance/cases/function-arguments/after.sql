CREATE SCHEMA shop;
CREATE FUNCTION shop.f(b integer) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint';
CREATE VIEW shop.v AS SELECT shop.f(1) AS x;
CREATE TABLE shop.item (id integer DEFAULT shop.f(2));
