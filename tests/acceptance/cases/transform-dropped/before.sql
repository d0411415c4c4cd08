CREATE SCHEMA shop;
CREATE TRANSFORM FOR integer LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal));
CREATE FUNCTION shop.doubled(integer) RETURNS integer LANGUAGE sql AS 'SELECT $1 * 2';
CREATE VIEW shop.four AS SELECT shop.doubled(2);
