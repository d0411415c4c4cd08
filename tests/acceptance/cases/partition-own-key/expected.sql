alter table "shop"."person" drop constraint "person_boss_fkey";
ALTER TABLE "shop"."person" DETACH PARTITION "shop"."person_1";
ALTER TABLE "shop"."person" DETACH PARTITION "shop"."person_2";
CREATE UNLOGGED TABLE "shop"."person_1__rerouted" AS SELECT "id", "boss" FROM "shop"."person_1" WHERE (id >= 0 AND id < 50) IS NOT TRUE;
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "boss")::pg_catalog.text, 0) FROM "shop"."person_1" WHERE (id >= 0 AND id < 50) IS NOT TRUE EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "boss")::pg_catalog.text, 0) FROM "shop"."person_1__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "boss")::pg_catalog.text, 0) FROM "shop"."person_1__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "boss")::pg_catalog.text, 0) FROM "shop"."person_1" WHERE (id >= 0 AND id < 50) IS NOT TRUE) m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.person_1 were not copied to move');
  END IF;
END
$rows$;
DELETE FROM "shop"."person_1" WHERE (id >= 0 AND id < 50) IS NOT TRUE;
ALTER TABLE "shop"."person" ATTACH PARTITION "shop"."person_1" FOR VALUES FROM (0) TO (50);
ALTER TABLE "shop"."person" ATTACH PARTITION "shop"."person_2" FOR VALUES FROM (50) TO (200);
INSERT INTO "shop"."person" ("id", "boss") SELECT "id", "boss" FROM "shop"."person_1__rerouted";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "boss")::pg_catalog.text, 0) FROM "shop"."person_1__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "boss")::pg_catalog.text, 0) FROM "shop"."person" WHERE (id >= 0 AND id < 100) AND ((id >= 0 AND id < 50) IS NOT TRUE)) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.person_1 did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "shop"."person_1__rerouted";
alter table "shop"."person" add constraint "person_boss_fkey" FOREIGN KEY (boss) REFERENCES shop.person(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
