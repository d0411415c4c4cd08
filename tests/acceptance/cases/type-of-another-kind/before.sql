CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('S', 'M');
CREATE TABLE shop.item (size shop.size NOT NULL DEFAULT 'M', others shop.size[]);
CREATE INDEX item_size ON shop.item (size);
CREATE VIEW shop.sizes AS SELECT size FROM shop.item;
