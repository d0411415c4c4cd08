CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('small', 'large');
CREATE TYPE shop.pair AS (amount integer, size shop.size);
CREATE TABLE shop.item (id integer, one shop.size, many shop.size[], pair shop.pair, pairs shop.pair[]);
