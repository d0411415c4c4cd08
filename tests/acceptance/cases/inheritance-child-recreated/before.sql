CREATE SCHEMA shop;
CREATE TABLE shop.a (x bigint);
CREATE TABLE shop.b (x bigint, y integer);
CREATE TABLE shop.c (x bigint, z integer) INHERITS (shop.b, shop.a);
