CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer);
CREATE VIEW shop.v WITH (security_invoker = true) AS SELECT a FROM shop.item;
