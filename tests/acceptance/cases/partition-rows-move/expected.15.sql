ALTER TABLE "shop"."token" DETACH PARTITION "shop"."token_0";
ALTER TABLE "shop"."token" DETACH PARTITION "shop"."token_1";
alter table "shop"."refund" drop constraint "refund_sale_region_fkey";
ALTER TABLE "shop"."sale" DETACH PARTITION "shop"."sale_1";
ALTER TABLE "shop"."sale" DETACH PARTITION "shop"."sale_2";
ALTER TABLE "shop"."sale" DETACH PARTITION "shop"."sale_rest";
CREATE TABLE "shop"."sale_3" (
    "id" integer NOT NULL,
    "region" text NOT NULL,
    "note" text,
    "twice" integer GENERATED ALWAYS AS ((id * 2)) STORED
) PARTITION BY LIST (region);
CREATE TABLE "shop"."sale_3_north" (
    "id" integer NOT NULL,
    "region" text NOT NULL,
    "note" text,
    "twice" integer GENERATED ALWAYS AS ((id * 2)) STORED
);
CREATE TABLE "shop"."sale_3_rest" (
    "id" integer NOT NULL,
    "region" text NOT NULL,
    "note" text,
    "twice" integer GENERATED ALWAYS AS ((id * 2)) STORED
);
CREATE TABLE "shop"."token_2" (
    "id" integer NOT NULL
);
CREATE TABLE "shop"."token_3" (
    "id" integer NOT NULL
);
CREATE UNLOGGED TABLE "shop"."sale_1__rerouted" AS SELECT "id", "region", "note" FROM "shop"."sale_1" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) IS NOT TRUE;
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_1" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) IS NOT TRUE EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_1__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_1__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_1" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) IS NOT TRUE) m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.sale_1 were not copied to move');
  END IF;
END
$rows$;
ALTER TABLE "shop"."sale_1" DISABLE TRIGGER "own";
DELETE FROM "shop"."sale_1" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) IS NOT TRUE;
ALTER TABLE "shop"."sale_1" ENABLE ALWAYS TRIGGER "own";
CREATE UNLOGGED TABLE "shop"."sale_rest__rerouted" AS SELECT "id", "region", "note" FROM "shop"."sale_rest" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 5 AND id <= 20 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 20 AND id IS NOT NULL AND region IS NOT NULL);
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_rest" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 5 AND id <= 20 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 20 AND id IS NOT NULL AND region IS NOT NULL) EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_rest__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_rest__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_rest" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 5 AND id <= 20 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 20 AND id IS NOT NULL AND region IS NOT NULL)) m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.sale_rest were not copied to move');
  END IF;
END
$rows$;
DELETE FROM "shop"."sale_rest" WHERE (id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 5 AND id <= 20 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 20 AND id IS NOT NULL AND region IS NOT NULL);
CREATE UNLOGGED TABLE "shop"."token_0__rerouted" AS SELECT "id" FROM "shop"."token_0" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 0, id)) IS NOT TRUE;
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_0" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 0, id)) IS NOT TRUE EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_0__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_0__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_0" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 0, id)) IS NOT TRUE) m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.token_0 were not copied to move');
  END IF;
END
$rows$;
ALTER TABLE "shop"."token_0" REPLICA IDENTITY FULL;
DELETE FROM "shop"."token_0" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 0, id)) IS NOT TRUE;
ALTER TABLE "shop"."token_0" REPLICA IDENTITY DEFAULT;
CREATE UNLOGGED TABLE "shop"."token_1__rerouted" AS SELECT "id" FROM "shop"."token_1" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 1, id)) IS NOT TRUE;
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_1" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 1, id)) IS NOT TRUE EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_1__rerouted") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_1__rerouted") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_1" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 1, id)) IS NOT TRUE) m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.token_1 were not copied to move');
  END IF;
END
$rows$;
ALTER TABLE "shop"."token_1" REPLICA IDENTITY FULL;
DELETE FROM "shop"."token_1" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 1, id)) IS NOT TRUE;
ALTER TABLE "shop"."token_1" REPLICA IDENTITY DEFAULT;
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_1" FOR VALUES FROM (0, MINVALUE) TO (5, MAXVALUE);
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_2" FOR VALUES FROM (5, MAXVALUE) TO (20, MAXVALUE);
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_3" FOR VALUES FROM (20, MAXVALUE) TO (MAXVALUE, MAXVALUE);
ALTER TABLE "shop"."sale_3" ATTACH PARTITION "shop"."sale_3_north" FOR VALUES IN ('north');
ALTER TABLE "shop"."sale_3" ATTACH PARTITION "shop"."sale_3_rest" DEFAULT;
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_rest" DEFAULT;
ALTER TABLE "shop"."sale" DISABLE TRIGGER "before";
INSERT INTO "shop"."sale" ("id", "region", "note") OVERRIDING SYSTEM VALUE SELECT "id", "region", "note" FROM "shop"."sale_1__rerouted";
ALTER TABLE "shop"."sale" ENABLE TRIGGER "before";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_1__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale" WHERE (id >= 0 AND id <= 10 AND id IS NOT NULL AND region IS NOT NULL) AND ((id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) IS NOT TRUE)) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.sale_1 did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "shop"."sale_1__rerouted";
ALTER TABLE "shop"."sale" DISABLE TRIGGER "before";
INSERT INTO "shop"."sale" ("id", "region", "note") OVERRIDING SYSTEM VALUE SELECT "id", "region", "note" FROM "shop"."sale_rest__rerouted";
ALTER TABLE "shop"."sale" ENABLE TRIGGER "before";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale_rest__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "region", "note")::pg_catalog.text, 0) FROM "shop"."sale" WHERE ((id >= 0 AND id <= 10 AND id IS NOT NULL AND region IS NOT NULL) IS NOT TRUE AND (id > 10 AND id <= 20 AND id IS NOT NULL AND region IS NOT NULL) IS NOT TRUE) AND ((id >= 0 AND id <= 5 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 5 AND id <= 20 AND id IS NOT NULL AND region IS NOT NULL) OR (id > 20 AND id IS NOT NULL AND region IS NOT NULL))) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.sale_rest did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "shop"."sale_rest__rerouted";
alter table "shop"."refund" add constraint "refund_sale_region_fkey" FOREIGN KEY (sale, region) REFERENCES shop.sale(id, region) ON DELETE CASCADE;
ALTER TABLE "shop"."token" ATTACH PARTITION "shop"."token_0" FOR VALUES WITH (modulus 4, remainder 0);
ALTER TABLE "shop"."token" ATTACH PARTITION "shop"."token_1" FOR VALUES WITH (modulus 4, remainder 1);
ALTER TABLE "shop"."token" ATTACH PARTITION "shop"."token_2" FOR VALUES WITH (modulus 4, remainder 2);
ALTER TABLE "shop"."token" ATTACH PARTITION "shop"."token_3" FOR VALUES WITH (modulus 4, remainder 3);
INSERT INTO "shop"."token" ("id") SELECT "id" FROM "shop"."token_0__rerouted";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_0__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 2, 0, id)) AND ((pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 0, id)) IS NOT TRUE)) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.token_0 did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "shop"."token_0__rerouted";
INSERT INTO "shop"."token" ("id") SELECT "id" FROM "shop"."token_1__rerouted";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token_1__rerouted" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id")::pg_catalog.text, 0) FROM "shop"."token" WHERE (pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 2, 1, id)) AND ((pg_catalog.satisfies_hash_partition('"shop"."token"'::pg_catalog.regclass, 4, 1, id)) IS NOT TRUE)) m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.token_1 did not arrive in another partition');
  END IF;
END
$rows$;
DROP TABLE "shop"."token_1__rerouted";
