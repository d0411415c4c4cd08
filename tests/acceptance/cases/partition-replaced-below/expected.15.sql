ALTER TABLE "shop"."event" DETACH PARTITION "shop"."event_a";
CREATE TABLE "shop"."event_new" (
    "id" integer NOT NULL,
    "kind" text NOT NULL
);
CREATE UNLOGGED TABLE "shop"."event_old__rerouted" AS SELECT "id", "kind" FROM "shop"."event_old";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "kind")::pg_catalog.text, 0) FROM "shop"."event_old" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "kind")::pg_catalog.text, 0) FROM "shop"."event_old__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "kind")::pg_catalog.text, 0) FROM "shop"."event_old__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "kind")::pg_catalog.text, 0) FROM "shop"."event_old") m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.event_old were not copied to move');
  END IF;
END
$rows$;
DROP TABLE "shop"."event_old";
ALTER TABLE "shop"."event" ATTACH PARTITION "shop"."event_a" FOR VALUES IN ('a', 'b');
ALTER TABLE "shop"."event_a" ATTACH PARTITION "shop"."event_new" FOR VALUES FROM (0) TO (10);
INSERT INTO "shop"."event_a" ("id", "kind") SELECT "id", "kind" FROM "shop"."event_old__rerouted";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "kind")::pg_catalog.text, 0) FROM "shop"."event_old__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "kind")::pg_catalog.text, 0) FROM "shop"."event_a" WHERE (id >= 0 AND id < 10) AND ((id >= 0 AND id < 10))) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.event_old did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "shop"."event_old__rerouted";
