CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer NOT NULL, region text NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE shop.sale_1 PARTITION OF shop.sale FOR VALUES FROM (0) TO (10);
CREATE TABLE shop.sale_2 PARTITION OF shop.sale FOR VALUES FROM (10) TO (20) PARTITION BY LIST (region);
CREATE TABLE shop.sale_2_north PARTITION OF shop.sale_2 FOR VALUES IN ('north');
