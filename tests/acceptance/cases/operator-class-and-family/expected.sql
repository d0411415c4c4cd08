DROP INDEX "shop"."item_a";
DROP OPERATOR CLASS "shop"."ints" USING "btree";
CREATE OR REPLACE FUNCTION shop.compared(integer, integer)
 RETURNS integer
 LANGUAGE internal
 IMMUTABLE STRICT
AS $function$btint4cmp$function$;
ALTER OPERATOR FAMILY "shop"."ints" USING "btree" ADD
    OPERATOR 1 <(integer,bigint),
    FUNCTION 2 (integer, integer) btint4sortsupport(internal);
CREATE OPERATOR CLASS "shop"."ints" FOR TYPE integer USING "btree" FAMILY shop.ints AS
    OPERATOR 1 <(integer,integer),
    OPERATOR 2 <=(integer,integer),
    OPERATOR 3 =(integer,integer),
    OPERATOR 4 >=(integer,integer),
    OPERATOR 5 >(integer,integer),
    FUNCTION 1 (integer, integer) shop.compared(integer,integer);
CREATE INDEX "item_a" ON "shop"."item" USING btree (a shop.ints);
