CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer, region text) PARTITION BY LIST (region);
CREATE TABLE shop.sale_north PARTITION OF shop.sale FOR VALUES IN ('north');
CREATE INDEX north_by_id ON shop.sale_north (id);
CREATE INDEX sale_region ON shop.sale (region);
CREATE TABLE shop.sale_south (id integer, region text);
CREATE INDEX south_by_region ON shop.sale_south (region);
