CREATE SCHEMA shop;
CREATE TABLE shop.item (id integer PRIMARY KEY, price integer NOT NULL);
CREATE VIEW shop.dear AS SELECT id, price FROM shop.item WHERE price > 100;
CREATE VIEW shop.dearest AS SELECT id FROM shop.dear WHERE price > 1000;
COMMENT ON VIEW shop.dear IS 'not cheap';
GRANT SELECT ON shop.dearest TO case_reader;
