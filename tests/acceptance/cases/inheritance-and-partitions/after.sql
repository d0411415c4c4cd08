CREATE SCHEMA shop;
CREATE TABLE shop.base (a integer NOT NULL);
CREATE TABLE shop.child (a integer NOT NULL) INHERITS (shop.base);
CREATE TABLE shop.day (d date NOT NULL) PARTITION BY RANGE (d);
CREATE TABLE shop.day_1 PARTITION OF shop.day FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
