CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b integer);
ALTER TABLE shop.item ADD CONSTRAINT first UNIQUE (a, b);
ALTER TABLE shop.item ADD CONSTRAINT second UNIQUE (a, b);
ALTER TABLE shop.item ADD CONSTRAINT third PRIMARY KEY (a, b);
ALTER TABLE shop.item ADD CONSTRAINT fourth UNIQUE (b, a);
