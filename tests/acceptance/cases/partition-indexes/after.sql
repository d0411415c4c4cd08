CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer, region text) PARTITION BY LIST (region);
CREATE TABLE shop.sale_north PARTITION OF shop.sale FOR VALUES IN ('north');
CREATE TABLE shop.sale_south PARTITION OF shop.sale FOR VALUES IN ('south');
CREATE INDEX sale_id ON shop.sale (id);
CREATE INDEX north_by_id ON shop.sale_north (id);
CREATE INDEX sale_region ON shop.sale (region);
CREATE INDEX south_by_region ON shop.sale_south (region);
