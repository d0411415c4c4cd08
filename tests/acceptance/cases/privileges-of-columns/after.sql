CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
GRANT SELECT ON shop.item TO case_reader WITH GRANT OPTION;
GRANT UPDATE (b), SELECT (a) ON shop.item TO case_writer;
GRANT SELECT ON shop.item TO PUBLIC;
