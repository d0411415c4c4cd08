CREATE SCHEMA shop;
CREATE FOREIGN DATA WRAPPER w OPTIONS (a '2', b '3');
CREATE SERVER s VERSION '2' FOREIGN DATA WRAPPER w OPTIONS (host 'two', port '5');
CREATE USER MAPPING FOR case_reader SERVER s OPTIONS (user 'you');
CREATE FOREIGN TABLE shop.far (a integer, b text OPTIONS (column_name 'y')) SERVER s OPTIONS (table_name 'u', schema_name 'z');
