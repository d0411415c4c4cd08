CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer);
