DROP VIEW "shop"."four";
DROP FUNCTION "shop"."doubled"(integer);
DROP TRANSFORM FOR integer LANGUAGE "sql";
CREATE OR REPLACE FUNCTION shop.doubled(integer)
 RETURNS integer
 LANGUAGE sql
AS $function$SELECT $1 * 2$function$;
CREATE VIEW "shop"."four" AS
SELECT shop.doubled(2) AS doubled;
