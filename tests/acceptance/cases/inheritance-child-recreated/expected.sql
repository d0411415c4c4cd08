ALTER TABLE "shop"."c" NO INHERIT "shop"."a";
ALTER TABLE "shop"."c" NO INHERIT "shop"."b";
ALTER TABLE "shop"."c" RENAME TO "c__replaced";
ALTER TABLE "shop"."a" ALTER COLUMN "x" TYPE integer;
ALTER TABLE "shop"."b" ALTER COLUMN "x" TYPE integer;
CREATE TABLE "shop"."c" (
    "z" integer
) INHERITS ("shop"."a", "shop"."b");
INSERT INTO "shop"."c" ("x", "y", "z") SELECT "x", "y", "z" FROM "shop"."c__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW(("x")::integer, "y", "z")::pg_catalog.text, 0) FROM "shop"."c__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("x", "y", "z")::pg_catalog.text, 0) FROM ONLY "shop"."c") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("x", "y", "z")::pg_catalog.text, 0) FROM ONLY "shop"."c") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW(("x")::integer, "y", "z")::pg_catalog.text, 0) FROM "shop"."c__replaced") m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.c did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "shop"."c__replaced";
