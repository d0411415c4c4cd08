CREATE SCHEMA shop;
CREATE TABLE shop.sale (id integer NOT NULL, at timestamptz, cents bigint GENERATED ALWAYS AS (id * 100) STORED) PARTITION BY RANGE (id);
CREATE TABLE shop.sale_1 PARTITION OF shop.sale FOR VALUES FROM (MINVALUE) TO (10);
CREATE TABLE shop.sale_2 PARTITION OF shop.sale FOR VALUES FROM (10) TO (20);
CREATE TABLE shop.sale_rest PARTITION OF shop.sale DEFAULT;
CREATE TABLE shop.refund (sale integer );
