CREATE SCHEMA shop;
CREATE FOREIGN DATA WRAPPER w OPTIONS (a '1');
CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'one');
CREATE USER MAPPING FOR case_reader SERVER s OPTIONS (user 'me');
CREATE FOREIGN TABLE shop.far (a integer, b text OPTIONS (column_name 'x')) SERVER s OPTIONS (table_name 't');
