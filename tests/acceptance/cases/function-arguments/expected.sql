DROP VIEW "shop"."v";
ALTER TABLE ONLY "shop"."item" ALTER COLUMN "id" DROP DEFAULT;
DROP FUNCTION "shop"."f"(a integer);
CREATE OR REPLACE FUNCTION shop.f(b integer)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
AS $function$SELECT 1::bigint$function$;
ALTER TABLE ONLY "shop"."item" ALTER COLUMN "id" SET DEFAULT shop.f(2);
CREATE VIEW "shop"."v" AS
SELECT shop.f(1) AS x;
