CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('large', 'small');
CREATE TYPE shop.pair AS (size shop.size, amount integer);
CREATE TABLE shop.item (id integer, one shop.size[], many shop.size, pair shop.pair[], pairs shop.pair);
