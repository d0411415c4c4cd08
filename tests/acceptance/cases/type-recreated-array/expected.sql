ALTER TYPE "shop"."pair" RENAME TO "pair__replaced";
ALTER TYPE "shop"."size" RENAME TO "size__replaced";
CREATE TYPE "shop"."size" AS ENUM ('large', 'small');
CREATE TYPE "shop"."pair" AS (
    "size" shop.size,
    "amount" integer
);
ALTER TABLE "shop"."item" ALTER COLUMN "many" TYPE shop.size USING CASE WHEN pg_catalog.cardinality(("many"::text::text[])) = 1 THEN ("many"::text::text[])[1] ELSE "many"::text END::shop.size;
ALTER TABLE "shop"."item" ALTER COLUMN "one" TYPE shop.size[] USING CASE WHEN "one" IS NOT NULL THEN ARRAY["one"::text]::shop.size[] END;
CREATE TYPE pg_temp."reconciler_value" AS (value shop.pair[]);
ALTER TABLE "shop"."item" ALTER COLUMN "pair" TYPE shop.pair[] USING (pg_catalog.json_populate_record(NULL::pg_temp."reconciler_value", pg_catalog.json_build_object('value', CASE WHEN pg_catalog.to_json("pair") IS NOT NULL THEN pg_catalog.json_build_array(pg_catalog.to_json("pair")) END))).value;
DROP TYPE pg_temp."reconciler_value";
CREATE TYPE pg_temp."reconciler_value" AS (value shop.pair);
ALTER TABLE "shop"."item" ALTER COLUMN "pairs" TYPE shop.pair USING (pg_catalog.json_populate_record(NULL::pg_temp."reconciler_value", pg_catalog.json_build_object('value', CASE WHEN pg_catalog.json_array_length(pg_catalog.to_json("pairs")) = 1 THEN pg_catalog.to_json("pairs") -> 0 ELSE pg_catalog.to_json("pairs") END))).value;
DROP TYPE pg_temp."reconciler_value";
DROP TYPE "shop"."pair__replaced";
DROP TYPE "shop"."size__replaced";
