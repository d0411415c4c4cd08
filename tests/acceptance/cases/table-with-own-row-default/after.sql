CREATE SCHEMA shop;
CREATE TABLE shop.node (id integer, k integer) PARTITION BY LIST (k);
CREATE TABLE shop.node_1 PARTITION OF shop.node DEFAULT;
CREATE FUNCTION shop.next_id(n shop.node DEFAULT NULL) RETURNS integer LANGUAGE sql AS 'SELECT 1';
ALTER TABLE shop.node ALTER COLUMN id SET DEFAULT shop.next_id();
