CREATE SCHEMA shop;
CREATE TABLE shop.item (id integer, label text GENERATED ALWAYS AS (id::text) STORED);
CREATE TABLE shop.wide (extra integer, id integer, label text GENERATED ALWAYS AS (id::text) STORED);
ALTER TABLE shop.wide INHERIT shop.item;
