CREATE SCHEMA shop;
CREATE TABLE shop.dropped (id integer PRIMARY KEY, k integer NOT NULL);
CREATE TABLE shop.with_column (id integer PRIMARY KEY);
CREATE TABLE shop.kept (id integer PRIMARY KEY, k integer NOT NULL);
CREATE UNIQUE INDEX kept_k ON shop.kept (k);
CREATE TABLE shop.full_now (id integer PRIMARY KEY, k integer NOT NULL);
ALTER TABLE shop.full_now REPLICA IDENTITY FULL;
CREATE TABLE shop.key (id integer PRIMARY KEY, k integer NOT NULL);
