CREATE TABLE "shop"."sale_1a" (
    "id" integer CONSTRAINT "sale_id_not_null" NOT NULL,
    "at" timestamp with time zone,
    "cents" bigint GENERATED ALWAYS AS ((id * 100)) STORED
);
CREATE TABLE "shop"."sale_1b" (
    "id" integer CONSTRAINT "sale_id_not_null" NOT NULL,
    "at" timestamp with time zone,
    "cents" bigint GENERATED ALWAYS AS ((id * 100)) STORED
) PARTITION BY LIST (((id > 0)));
CREATE TABLE "shop"."sale_1b_north" (
    "id" integer CONSTRAINT "sale_id_not_null" NOT NULL,
    "at" timestamp with time zone,
    "cents" bigint GENERATED ALWAYS AS ((id * 100)) STORED
);
CREATE UNLOGGED TABLE "shop"."sale_1__rerouted" AS SELECT "id", "at" FROM "shop"."sale_1";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "shop"."sale_1" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "shop"."sale_1__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "shop"."sale_1__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "shop"."sale_1") m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.sale_1 were not copied to move');
  END IF;
END
$rows$;
DROP TABLE "shop"."sale_1";
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_1a" FOR VALUES FROM (MINVALUE) TO (5);
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_1b" FOR VALUES FROM (5) TO (10);
ALTER TABLE "shop"."sale_1b" ATTACH PARTITION "shop"."sale_1b_north" FOR VALUES IN (true);
INSERT INTO "shop"."sale" ("id", "at") SELECT "id", "at" FROM "shop"."sale_1__rerouted";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "shop"."sale_1__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "at")::pg_catalog.text, 0) FROM "shop"."sale" WHERE (id < 10) AND ((id < 5) OR (id >= 5 AND id < 10))) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.sale_1 did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "shop"."sale_1__rerouted";
