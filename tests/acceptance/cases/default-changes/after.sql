CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer DEFAULT 2, b text, c timestamptz DEFAULT now());
