CREATE SCHEMA shop;
CREATE FUNCTION shop.f(a integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE VIEW shop.v AS SELECT shop.f(1) AS x;
CREATE TABLE shop.item (id integer DEFAULT shop.f(2));
