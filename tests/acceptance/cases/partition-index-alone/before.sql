CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer NOT NULL, region text NOT NULL) PARTITION BY LIST (region);
CREATE TABLE shop.sale_north PARTITION OF shop.sale FOR VALUES IN ('north');
CREATE TABLE shop.sale_south PARTITION OF shop.sale FOR VALUES IN ('south');
CREATE INDEX sale_id ON ONLY shop.sale (id);
