CREATE SCHEMA shop;
CREATE DOMAIN shop.code AS integer CONSTRAINT low CHECK (VALUE > 0);
CREATE TABLE shop.item (c shop.code);
