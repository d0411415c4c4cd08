ALTER TABLE "shop"."item" ALTER COLUMN "s" TYPE text USING "s"::text;
DROP TYPE "shop"."span";
CREATE TYPE "shop"."span" AS RANGE (SUBTYPE = numeric, MULTIRANGE_TYPE_NAME = shop.spans);
ALTER TABLE "shop"."item" ALTER COLUMN "s" TYPE shop.span USING "s"::shop.span;
