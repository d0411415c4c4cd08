CREATE SCHEMA shop;
CREATE COLLATION shop.c (LOCALE = 'C');
CREATE TABLE shop.item (a text COLLATE shop.c);
