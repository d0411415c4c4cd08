CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer NOT NULL, region text NOT NULL) PARTITION BY LIST (region);
CREATE TABLE shop.sale_1 PARTITION OF shop.sale FOR VALUES IN ('north');
CREATE TABLE shop.sale_2 PARTITION OF shop.sale FOR VALUES IN ('south');
