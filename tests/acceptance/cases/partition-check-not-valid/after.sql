CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer, region text) PARTITION BY LIST (region);
ALTER TABLE shop.sale ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;
CREATE TABLE shop.sale_north PARTITION OF shop.sale FOR VALUES IN ('north');
