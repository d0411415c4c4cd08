DROP STATISTICS "shop"."x";
ALTER STATISTICS "shop"."s" SET STATISTICS 40;
CREATE STATISTICS "shop"."x" (ndistinct) ON "a", ((b + c)) FROM shop.item;
