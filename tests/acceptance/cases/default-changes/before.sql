CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer DEFAULT 1, b text DEFAULT 'x', c timestamptz);
