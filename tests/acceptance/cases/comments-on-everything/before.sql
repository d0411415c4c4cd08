CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer CONSTRAINT c CHECK (a > 0));
CREATE INDEX i ON shop.item (a);
CREATE VIEW shop.v AS SELECT a FROM shop.item;
CREATE TYPE shop.e AS ENUM ('x');
CREATE DOMAIN shop.d AS integer CONSTRAINT dc CHECK (VALUE > 0);
CREATE FUNCTION shop.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
COMMENT ON TABLE shop.item IS 'old';
COMMENT ON COLUMN shop.item.a IS 'gone';
