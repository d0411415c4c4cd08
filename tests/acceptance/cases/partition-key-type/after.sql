CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('none', 'large', 'small');
CREATE TABLE shop.customer (id bigint PRIMARY KEY);
CREATE TABLE shop.sale (
    customer bigint NOT NULL REFERENCES shop.customer,
    day bigint NOT NULL,
    region varchar(20) NOT NULL,
    week bigint GENERATED ALWAYS AS (day / 7) STORED,
    PRIMARY KEY (customer, day, region)
) PARTITION BY RANGE (day);
CREATE TABLE shop.early PARTITION OF shop.sale FOR VALUES FROM (0) TO (100) PARTITION BY LIST (region);
CREATE TABLE shop.early_north PARTITION OF shop.early FOR VALUES IN ('north');
CREATE TABLE shop.late PARTITION OF shop.sale DEFAULT;
CREATE TABLE shop.refund (
    customer bigint, day bigint, region varchar(20),
    FOREIGN KEY (customer, day, region) REFERENCES shop.sale
);
CREATE VIEW shop.weekly AS SELECT week, count(*) FROM shop.sale GROUP BY week;
CREATE POLICY own ON shop.sale USING (customer > 0 AND day > 0);
CREATE STATISTICS shop.by_day ON customer, day FROM shop.sale;
CREATE PUBLICATION sales FOR TABLE shop.sale;
CREATE TABLE shop.stock (size shop.size NOT NULL DEFAULT 'small', pieces integer, CHECK (size <> 'none')) PARTITION BY LIST (size);
CREATE TABLE shop.stock_small PARTITION OF shop.stock FOR VALUES IN ('small');
CREATE TABLE shop.stock_other PARTITION OF shop.stock DEFAULT;
CREATE INDEX stock_size_idx ON shop.stock (size) WHERE size = 'large';
