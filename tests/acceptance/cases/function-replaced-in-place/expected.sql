CREATE OR REPLACE FUNCTION shop.f(a integer, b integer DEFAULT 5)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT COST 7
 SET work_mem TO '8MB'
AS $function$SELECT a * b$function$;
