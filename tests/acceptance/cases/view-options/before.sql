CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer);
CREATE VIEW shop.v WITH (check_option = cascaded) AS SELECT a FROM shop.item;
