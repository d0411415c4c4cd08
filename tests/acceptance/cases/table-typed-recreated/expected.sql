DROP VIEW "shop"."twice";
ALTER TABLE ONLY "shop"."item" ALTER COLUMN "b" DROP DEFAULT;
ALTER TABLE "shop"."loose" DROP COLUMN "z";
DROP FUNCTION "shop"."twice"(shop.pair);
CREATE TYPE "shop"."other" AS (
    "a" integer,
    "b" character varying(10),
    "c" text
);
ALTER TABLE "shop"."item" NOT OF;
ALTER TABLE "shop"."item" DROP COLUMN "c";
ALTER TYPE "shop"."pair" RENAME TO "pair__replaced";
ALTER TYPE "shop"."size" RENAME TO "size__replaced";
CREATE TYPE "shop"."size" AS ENUM ('large', 'small');
CREATE TYPE "shop"."pair" AS (
    "a" bigint,
    "b" shop.size,
    "e" date,
    "d" text
);
CREATE OR REPLACE FUNCTION shop.twice(shop.pair)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
AS $function$ SELECT 2 * ($1).a $function$;
ALTER TABLE "shop"."item" ALTER COLUMN "a" TYPE bigint;
ALTER TABLE "shop"."loose" ALTER COLUMN "b" TYPE character varying(10);
CREATE TYPE pg_temp."reconciler_value" AS (value shop.pair);
ALTER TABLE "shop"."holds" ALTER COLUMN "value" TYPE shop.pair USING (pg_catalog.json_populate_record(NULL::pg_temp."reconciler_value", pg_catalog.json_build_object('value', pg_catalog.to_json("value")))).value;
DROP TYPE pg_temp."reconciler_value";
DROP TYPE "shop"."pair__replaced";
ALTER TABLE "shop"."item" ALTER COLUMN "b" TYPE shop.size USING "b"::text::shop.size;
DROP TYPE "shop"."size__replaced";
ALTER TABLE "shop"."item" ADD COLUMN "e" date;
ALTER TABLE "shop"."item" ADD COLUMN "d" text;
ALTER TABLE "shop"."item" OF shop.pair;
ALTER TABLE "shop"."loose" ADD COLUMN "c" text;
ALTER TABLE "shop"."loose" OF shop.other;
ALTER TABLE ONLY "shop"."item" ALTER COLUMN "b" SET DEFAULT 'small'::shop.size;
CREATE VIEW "shop"."twice" AS
SELECT shop.twice((item.*)::shop.pair) AS twice
   FROM shop.item;
