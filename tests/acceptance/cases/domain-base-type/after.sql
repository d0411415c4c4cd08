CREATE SCHEMA shop;
CREATE DOMAIN shop.code AS text CONSTRAINT short CHECK (length(VALUE) < 9);
CREATE TABLE shop.item (c shop.code);
