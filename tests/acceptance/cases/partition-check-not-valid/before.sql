CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer, region text) PARTITION BY LIST (region);
CREATE TABLE shop.sale_north PARTITION OF shop.sale FOR VALUES IN ('north');
