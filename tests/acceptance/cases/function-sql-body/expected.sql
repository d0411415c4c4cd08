CREATE TABLE "shop"."item" (
    "a" integer
);
CREATE OR REPLACE FUNCTION shop.z()
 RETURNS bigint
 LANGUAGE sql
BEGIN ATOMIC
 SELECT count(*) AS count
    FROM shop.item;
END;
CREATE OR REPLACE FUNCTION shop.a(x integer, VARIADIC y integer[] DEFAULT '{}'::integer[])
 RETURNS bigint
 LANGUAGE sql
RETURN (shop.z() + 1);
CREATE VIEW "shop"."v" AS
SELECT shop.a(1) AS n;
