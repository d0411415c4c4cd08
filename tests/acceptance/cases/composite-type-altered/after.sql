CREATE SCHEMA shop;
CREATE TYPE shop.pair AS (a bigint, c date);
