CREATE SCHEMA shop;
CREATE TABLE shop.item (id integer, label text GENERATED ALWAYS AS (id::text) STORED);
CREATE TABLE shop.other (id integer, label text GENERATED ALWAYS AS (id::text) STORED);
CREATE TABLE shop.book (pages integer) INHERITS (shop.item, shop.other);
CREATE TABLE shop.wide (id integer, extra integer) INHERITS (shop.item);
