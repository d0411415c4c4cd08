CREATE SCHEMA shop;
CREATE TYPE shop.span AS RANGE (SUBTYPE = numeric, MULTIRANGE_TYPE_NAME = shop.spans);
CREATE TABLE shop.item (s shop.span);
