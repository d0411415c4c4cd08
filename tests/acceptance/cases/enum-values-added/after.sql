CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('a', 'b', 'c''s', 'd', 'e');
CREATE TABLE shop.item (s shop.state);
