DROP AGGREGATE "shop"."widest"(integer);
CREATE OR REPLACE AGGREGATE "shop"."add"(integer) (
    SFUNC = int4pl,
    STYPE = integer,
    PARALLEL = SAFE,
    INITCOND = '10'
);
CREATE AGGREGATE "shop"."widest"(integer) (
    SFUNC = int4_sum,
    STYPE = bigint
);
