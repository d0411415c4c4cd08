CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b integer, c integer);
CREATE STATISTICS shop.s ON a, b FROM shop.item;
CREATE STATISTICS shop.x (mcv) ON a, b FROM shop.item;
