DROP VIEW "shop"."item_view";
DROP INDEX "shop"."item_b_idx";
alter table "shop"."part" drop constraint "part_item_fkey";
alter table "shop"."item" drop constraint "item_pkey";
ALTER TABLE "shop"."item" RENAME TO "item__replaced";
ALTER TABLE "shop"."loose" RENAME TO "loose__replaced";
ALTER TYPE "shop"."pair" RENAME TO "pair__replaced";
CREATE TYPE "shop"."other" AS (
    "a" integer,
    "b" text
);
CREATE TYPE "shop"."pair" AS (
    "c" date,
    "b" text,
    "a" integer
);
CREATE TABLE "shop"."item" OF shop.pair (
    "b" WITH OPTIONS DEFAULT 'x'::text,
    "a" WITH OPTIONS CONSTRAINT "item_a_not_null" NOT NULL,
    CONSTRAINT "item_pkey" PRIMARY KEY (a),
    CONSTRAINT "item_b_check" CHECK ((b <> ''::text))
);
CREATE TABLE "shop"."loose" OF shop.other;
INSERT INTO "shop"."item" ("b", "a") SELECT "b", "a" FROM "shop"."item__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("b", "a")::pg_catalog.text, 0) FROM "shop"."item__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("b", "a")::pg_catalog.text, 0) FROM ONLY "shop"."item") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("b", "a")::pg_catalog.text, 0) FROM ONLY "shop"."item") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("b", "a")::pg_catalog.text, 0) FROM "shop"."item__replaced") m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.item did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "shop"."item__replaced";
DROP TYPE "shop"."pair__replaced";
INSERT INTO "shop"."loose" ("a", "b") SELECT "a", "b" FROM "shop"."loose__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("a", "b")::pg_catalog.text, 0) FROM "shop"."loose__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("a", "b")::pg_catalog.text, 0) FROM ONLY "shop"."loose") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("a", "b")::pg_catalog.text, 0) FROM ONLY "shop"."loose") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("a", "b")::pg_catalog.text, 0) FROM "shop"."loose__replaced") m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.loose did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "shop"."loose__replaced";
alter table "shop"."part" add constraint "part_item_fkey" FOREIGN KEY (item) REFERENCES shop.item(a);
CREATE INDEX "item_b_idx" ON "shop"."item" USING btree (b);
CREATE VIEW "shop"."item_view" AS
SELECT a,
    b
   FROM shop.item;
COMMENT ON COLUMN "shop"."item"."b" IS 'what it is';
