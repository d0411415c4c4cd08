CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b integer GENERATED ALWAYS AS (a + 2) VIRTUAL, c integer GENERATED ALWAYS AS (a * 2) VIRTUAL);
