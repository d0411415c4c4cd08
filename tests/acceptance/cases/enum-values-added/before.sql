CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('b', 'd');
CREATE TABLE shop.item (s shop.state);
