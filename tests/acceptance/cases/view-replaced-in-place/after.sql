CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
CREATE VIEW shop.v WITH (security_barrier = true) AS SELECT a, b FROM shop.item WHERE a > 0;
CREATE VIEW shop.w AS SELECT a FROM shop.v;
GRANT SELECT ON shop.v TO case_reader;
