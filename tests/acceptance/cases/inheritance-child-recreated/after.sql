CREATE SCHEMA shop;
CREATE TABLE shop.a (x integer);
CREATE TABLE shop.b (x integer, y integer);
CREATE TABLE shop.c (z integer) INHERITS (shop.a, shop.b);
