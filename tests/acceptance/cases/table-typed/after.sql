CREATE SCHEMA shop;
CREATE TYPE shop.pair AS (a integer, b text);
CREATE TABLE shop.item OF shop.pair;
