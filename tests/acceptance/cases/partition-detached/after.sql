CREATE SCHEMA shop;
CREATE TABLE shop.region (name text PRIMARY KEY);
CREATE TABLE shop.sale_new (
    id integer NOT NULL,
    region text NOT NULL REFERENCES shop.region,
    PRIMARY KEY (id, region),
    CONSTRAINT positive CHECK (id > 0)
) PARTITION BY LIST (region);
CREATE TABLE shop.sale_north PARTITION OF shop.sale_new FOR VALUES IN ('north', 'arctic');
CREATE TABLE shop.sale_south (
    id integer NOT NULL,
    region text NOT NULL,
    PRIMARY KEY (id, region),
    CONSTRAINT positive CHECK (id > 0)
);
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER touch BEFORE INSERT ON shop.sale_south FOR EACH ROW EXECUTE FUNCTION shop.touch();
