CREATE SCHEMA shop;
CREATE FUNCTION shop.doubled(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2';
CREATE VIEW shop.four AS SELECT shop.doubled(2);
