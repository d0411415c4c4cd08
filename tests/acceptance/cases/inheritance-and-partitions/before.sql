CREATE SCHEMA shop;
CREATE TABLE shop.base (a integer NOT NULL);
CREATE TABLE shop.child (a integer NOT NULL);
CREATE TABLE shop.day (d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE shop.day_1 (d date NOT NULL);
