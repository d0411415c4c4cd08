CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
CREATE VIEW shop.v AS SELECT a FROM shop.item;
CREATE VIEW shop.w AS SELECT a FROM shop.v;
GRANT SELECT ON shop.v TO case_reader;
