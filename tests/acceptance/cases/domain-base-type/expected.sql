ALTER DOMAIN "shop"."code" RENAME TO "code__replaced";
CREATE DOMAIN "shop"."code" AS text CONSTRAINT "short" CHECK ((length(VALUE) < 9));
ALTER TABLE "shop"."item" ALTER COLUMN "c" TYPE shop.code USING "c"::text::shop.code;
DROP DOMAIN "shop"."code__replaced";
