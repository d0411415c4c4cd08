CREATE SCHEMA shop;
CREATE TYPE shop.span AS RANGE (SUBTYPE = float8);
CREATE TABLE shop.item (s shop.span);
