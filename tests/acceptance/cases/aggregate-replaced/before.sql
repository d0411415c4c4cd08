CREATE SCHEMA shop;
CREATE AGGREGATE shop.add(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0');
CREATE AGGREGATE shop.widest(integer) (SFUNC = int4larger, STYPE = integer);
