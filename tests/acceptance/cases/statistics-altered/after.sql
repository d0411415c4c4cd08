CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b integer, c integer);
CREATE STATISTICS shop.s ON a, b FROM shop.item;
ALTER STATISTICS shop.s SET STATISTICS 40;
CREATE STATISTICS shop.x (ndistinct) ON a, (b + c) FROM shop.item;
