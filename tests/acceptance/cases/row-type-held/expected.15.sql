DROP VIEW "shop"."names";
ALTER TABLE "shop"."archive" ALTER COLUMN "known" TYPE json USING pg_catalog.to_json("known");
ALTER TABLE "shop"."archive" ALTER COLUMN "many" TYPE json USING pg_catalog.to_json("many");
ALTER TABLE "shop"."archive" ALTER COLUMN "one" TYPE json USING pg_catalog.to_json("one");
ALTER DOMAIN "shop"."known_item" DROP CONSTRAINT "known_item_check";
ALTER TABLE "shop"."item" ALTER COLUMN "id" TYPE bigint;
ALTER DOMAIN "shop"."known_item" ADD CONSTRAINT "known_item_check" CHECK (((VALUE).id > 0));
ALTER TABLE "shop"."item" ADD COLUMN "stock" integer DEFAULT 1;
CREATE TYPE pg_temp."reconciler_value" AS (value shop.known_item);
ALTER TABLE "shop"."archive" ALTER COLUMN "known" TYPE shop.known_item USING (pg_catalog.json_populate_record(NULL::pg_temp."reconciler_value", pg_catalog.json_build_object('value', "known"))).value;
DROP TYPE pg_temp."reconciler_value";
CREATE TYPE pg_temp."reconciler_value" AS (value shop.item[]);
ALTER TABLE "shop"."archive" ALTER COLUMN "many" TYPE shop.item[] USING (pg_catalog.json_populate_record(NULL::pg_temp."reconciler_value", pg_catalog.json_build_object('value', "many"))).value;
DROP TYPE pg_temp."reconciler_value";
CREATE TYPE pg_temp."reconciler_value" AS (value shop.item);
ALTER TABLE "shop"."archive" ALTER COLUMN "one" TYPE shop.item USING (pg_catalog.json_populate_record(NULL::pg_temp."reconciler_value", pg_catalog.json_build_object('value', "one"))).value;
DROP TYPE pg_temp."reconciler_value";
CREATE VIEW "shop"."names" AS
SELECT (archive.one).name AS name
   FROM shop.archive;
