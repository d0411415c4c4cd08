CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer);
CREATE FUNCTION shop.z() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM shop.item; END;
CREATE FUNCTION shop.a(x integer, VARIADIC y integer[] DEFAULT '{}') RETURNS bigint LANGUAGE sql RETURN shop.z() + 1;
CREATE VIEW shop.v AS SELECT shop.a(1) AS n;
