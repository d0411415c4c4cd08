CREATE SCHEMA shop;
CREATE COLLATION shop.c (LOCALE = 'C');
CREATE DOMAIN shop.label AS text COLLATE shop.c;
CREATE TABLE shop.item (a shop.label PRIMARY KEY);
