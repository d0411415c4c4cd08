CREATE SCHEMA shop;
CREATE TABLE shop.a (id integer PRIMARY KEY, x integer);
CREATE TABLE shop.b (id integer PRIMARY KEY);
CREATE PUBLICATION p FOR TABLE shop.a;
