CREATE SCHEMA shop;
CREATE TABLE shop.item (id bigint, label text, sum integer NOT NULL DEFAULT 1);
CREATE TABLE shop.other (id bigint, label text);
CREATE TABLE shop.book (pages integer) INHERITS (shop.item, shop.other);
CREATE TABLE shop.wide (id bigint, extra integer, sum integer NOT NULL DEFAULT 2) INHERITS (shop.item);
