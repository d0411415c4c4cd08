CREATE SCHEMA shop;
CREATE TYPE shop.pair AS (a integer, b text);
