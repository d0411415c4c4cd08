CREATE SCHEMA shop;
CREATE AGGREGATE shop.add(integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '10', PARALLEL = SAFE);
CREATE AGGREGATE shop.widest(integer) (SFUNC = int4_sum, STYPE = bigint);
