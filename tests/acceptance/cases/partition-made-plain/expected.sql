alter table "public"."visit" drop constraint "visit_place";
ALTER TABLE "public"."visit" DETACH PARTITION "public"."visit_1";
DROP TABLE "public"."place";
ALTER TABLE "public"."visit_1_low" RENAME TO "visit_1_low__replaced";
ALTER TABLE "public"."visit_1" RENAME TO "visit_1__replaced";
CREATE TABLE "public"."visit_1" (
    "id" integer,
    "kind" integer,
    "note" text
);
INSERT INTO "public"."visit_1" ("id", "kind", "note") SELECT "id", "kind", "note" FROM "public"."visit_1__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "kind", "note")::pg_catalog.text, 0) FROM "public"."visit_1__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "kind", "note")::pg_catalog.text, 0) FROM ONLY "public"."visit_1") m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table public.visit_1 did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "public"."visit_1__replaced";
ALTER TABLE "public"."visit" ATTACH PARTITION "public"."visit_1" FOR VALUES IN (1);
