CREATE SCHEMA shop;
CREATE TABLE shop.region (name text PRIMARY KEY);
CREATE TABLE shop.sale (
    id integer NOT NULL,
    region text NOT NULL REFERENCES shop.region,
    PRIMARY KEY (id, region),
    CONSTRAINT positive CHECK (id > 0)
) PARTITION BY LIST (region);
CREATE INDEX sale_region ON shop.sale (region);
CREATE TABLE shop.sale_north PARTITION OF shop.sale FOR VALUES IN ('north');
CREATE TABLE shop.sale_south PARTITION OF shop.sale FOR VALUES IN ('south');
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touch BEFORE INSERT ON shop.sale FOR EACH ROW EXECUTE FUNCTION shop.touch();
