CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
GRANT SELECT, INSERT ON shop.item TO case_reader;
GRANT UPDATE (a) ON shop.item TO case_writer;
