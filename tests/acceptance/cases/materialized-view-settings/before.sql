CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
CREATE MATERIALIZED VIEW shop.m AS SELECT a, b FROM shop.item;
