CREATE SCHEMA shop;
CREATE FUNCTION shop.f(a integer, b integer) RETURNS integer LANGUAGE sql AS 'SELECT a + b';
CREATE VIEW shop.v AS SELECT shop.f(1, 2) AS x;
