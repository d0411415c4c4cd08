ALTER TABLE "plant"."reading" DETACH PARTITION "plant"."reading_1";
ALTER TABLE "plant"."reading" DETACH PARTITION "plant"."reading_2";
alter table "plant"."reading" drop constraint "reading_key";
alter table "plant"."reading_1" drop constraint "reading_1_pkey";
alter table "plant"."reading_2" drop constraint "reading_2_pkey";
CREATE TABLE "plant"."reading_1_hot" (
    "id" integer CONSTRAINT "reading_id_not_null" NOT NULL,
    "at" integer CONSTRAINT "reading_at_not_null" NOT NULL,
    "kind" text CONSTRAINT "reading_kind_not_null" NOT NULL
);
CREATE TABLE "plant"."reading_1_rest" (
    "id" integer CONSTRAINT "reading_id_not_null" NOT NULL,
    "at" integer CONSTRAINT "reading_at_not_null" NOT NULL,
    "kind" text CONSTRAINT "reading_kind_not_null" NOT NULL
);
alter table "plant"."reading" add constraint "reading_key" UNIQUE (id, at, kind);
CREATE UNLOGGED TABLE "plant"."reading_1__rerouted" AS SELECT "id", "at", "kind" FROM "plant"."reading_1" WHERE (at >= 0 AND at < 5) IS NOT TRUE;
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_1" WHERE (at >= 0 AND at < 5) IS NOT TRUE EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_1__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_1__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_1" WHERE (at >= 0 AND at < 5) IS NOT TRUE) m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table plant.reading_1 were not copied to move');
  END IF;
END
$rows$;
ALTER TABLE "plant"."reading_1" RENAME TO "reading_1__replaced";
CREATE TABLE "plant"."reading_1" (
    "id" integer CONSTRAINT "reading_id_not_null" NOT NULL,
    "at" integer CONSTRAINT "reading_at_not_null" NOT NULL,
    "kind" text CONSTRAINT "reading_kind_not_null" NOT NULL
) PARTITION BY LIST (kind);
CREATE UNLOGGED TABLE "plant"."reading_2__rerouted" AS SELECT "id", "at", "kind" FROM "plant"."reading_2" WHERE (at >= 5 AND at < 15) IS NOT TRUE;
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_2" WHERE (at >= 5 AND at < 15) IS NOT TRUE EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_2__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_2__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_2" WHERE (at >= 5 AND at < 15) IS NOT TRUE) m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table plant.reading_2 were not copied to move');
  END IF;
END
$rows$;
ALTER TABLE "plant"."reading_2" REPLICA IDENTITY FULL;
DELETE FROM "plant"."reading_2" WHERE (at >= 5 AND at < 15) IS NOT TRUE;
ALTER TABLE "plant"."reading_2" REPLICA IDENTITY DEFAULT;
ALTER TABLE "plant"."reading" ATTACH PARTITION "plant"."reading_1" FOR VALUES FROM (0) TO (5);
ALTER TABLE "plant"."reading_1" ATTACH PARTITION "plant"."reading_1_hot" FOR VALUES IN ('hot');
ALTER TABLE "plant"."reading_1" ATTACH PARTITION "plant"."reading_1_rest" DEFAULT;
INSERT INTO "plant"."reading_1" ("id", "at", "kind") SELECT "id", "at", "kind" FROM "plant"."reading_1__replaced" WHERE at >= 0 AND at < 5;
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_1__replaced" WHERE at >= 0 AND at < 5 EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_1") m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table plant.reading_1 did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "plant"."reading_1__replaced";
ALTER TABLE "plant"."reading" ATTACH PARTITION "plant"."reading_2" FOR VALUES FROM (5) TO (15);
INSERT INTO "plant"."reading" ("id", "at", "kind") SELECT "id", "at", "kind" FROM "plant"."reading_1__rerouted";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_1__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading" WHERE (at >= 0 AND at < 10) AND ((at >= 0 AND at < 5) IS NOT TRUE)) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table plant.reading_1 did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "plant"."reading_1__rerouted";
INSERT INTO "plant"."reading" ("id", "at", "kind") SELECT "id", "at", "kind" FROM "plant"."reading_2__rerouted";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading_2__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at", "kind")::pg_catalog.text, 0) FROM "plant"."reading" WHERE (at >= 10 AND at < 20) AND ((at >= 5 AND at < 15) IS NOT TRUE)) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table plant.reading_2 did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "plant"."reading_2__rerouted";
