ALTER OPERATOR FAMILY "shop"."ints" USING "btree" ADD
    OPERATOR 1 <(integer,bigint),
    FUNCTION 2 (integer, integer) btint4sortsupport(internal);
