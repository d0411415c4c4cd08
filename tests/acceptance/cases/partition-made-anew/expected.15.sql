ALTER TABLE "plant"."reading" DETACH PARTITION "plant"."reading_1";
ALTER TABLE "plant"."reading" DETACH PARTITION "plant"."reading_2";
alter table "plant"."reading" drop constraint "reading_key";
alter table "plant"."reading_1" drop constraint "reading_1_pkey";
alter table "plant"."reading_2" drop constraint "reading_2_pkey";
CREATE TABLE "plant"."reading_1_hot" (
    "id" integer NOT NULL,
    "at" integer NOT NULL,
    "kind" text NOT NULL
);
CREATE TABLE "plant"."reading_1_rest" (
    "id" integer NOT NULL,
    "at" integer NOT NULL,
    "kind" text NOT NULL
);
alter table "plant"."reading" add constraint "reading_key" UNIQUE (id, at, kind);
CREATE UNLOGGED TABLE "plant"."reading_1__rerouted" AS SELECT "id", "at", "kind" FROM "plant"."reading_1" WHERE (at >= 0 AND at < 5) IS NOT TRUE;
ALTER TABLE "plant"."reading_1" RENAME TO "reading_1__replaced";
CREATE TABLE "plant"."reading_1" (
    "id" integer NOT NULL,
    "at" integer NOT NULL,
    "kind" text NOT NULL
) PARTITION BY LIST (kind);
CREATE UNLOGGED TABLE "plant"."reading_2__rerouted" AS SELECT "id", "at", "kind" FROM "plant"."reading_2" WHERE (at >= 5 AND at < 15) IS NOT TRUE;
ALTER TABLE "plant"."reading_2" REPLICA IDENTITY FULL;
DELETE FROM "plant"."reading_2" WHERE (at >= 5 AND at < 15) IS NOT TRUE;
ALTER TABLE "plant"."reading_2" REPLICA IDENTITY DEFAULT;
ALTER TABLE "plant"."reading" ATTACH PARTITION "plant"."reading_1" FOR VALUES FROM (0) TO (5);
ALTER TABLE "plant"."reading_1" ATTACH PARTITION "plant"."reading_1_hot" FOR VALUES IN ('hot');
ALTER TABLE "plant"."reading_1" ATTACH PARTITION "plant"."reading_1_rest" DEFAULT;
INSERT INTO "plant"."reading_1" ("id", "at", "kind") SELECT "id", "at", "kind" FROM "plant"."reading_1__replaced" WHERE at >= 0 AND at < 5;
DROP TABLE "plant"."reading_1__replaced";
ALTER TABLE "plant"."reading" ATTACH PARTITION "plant"."reading_2" FOR VALUES FROM (5) TO (15);
INSERT INTO "plant"."reading" ("id", "at", "kind") SELECT "id", "at", "kind" FROM "plant"."reading_1__rerouted";
DROP TABLE "plant"."reading_1__rerouted";
INSERT INTO "plant"."reading" ("id", "at", "kind") SELECT "id", "at", "kind" FROM "plant"."reading_2__rerouted";
DROP TABLE "plant"."reading_2__rerouted";
