ALTER TABLE ONLY "shop"."node" ALTER COLUMN "id" DROP DEFAULT;
DROP FUNCTION "shop"."next_id"(n shop.node);
ALTER TABLE "shop"."node" RENAME TO "node__replaced";
CREATE TABLE "shop"."node" (
    "id" integer,
    "k" integer
) PARTITION BY LIST (k);
CREATE OR REPLACE FUNCTION shop.next_id(n shop.node DEFAULT NULL::shop.node)
 RETURNS integer
 LANGUAGE sql
AS $function$SELECT 1$function$;
CREATE TABLE "shop"."node_1" (
    "id" integer,
    "k" integer
);
ALTER TABLE ONLY "shop"."node" ALTER COLUMN "id" SET DEFAULT shop.next_id();
ALTER TABLE ONLY "shop"."node_1" ALTER COLUMN "id" SET DEFAULT shop.next_id();
ALTER TABLE "shop"."node" ATTACH PARTITION "shop"."node_1" DEFAULT;
INSERT INTO "shop"."node" ("id", "k") SELECT "id", "k" FROM "shop"."node__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "k")::pg_catalog.text, 0) FROM "shop"."node__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "k")::pg_catalog.text, 0) FROM "shop"."node") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "k")::pg_catalog.text, 0) FROM "shop"."node") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "k")::pg_catalog.text, 0) FROM "shop"."node__replaced") m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.node did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "shop"."node__replaced";
