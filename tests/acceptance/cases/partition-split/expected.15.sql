CREATE TABLE "shop"."sale_1a" (
    "id" integer NOT NULL,
    "at" timestamp with time zone,
    "cents" bigint GENERATED ALWAYS AS ((id * 100)) STORED
);
CREATE TABLE "shop"."sale_1b" (
    "id" integer NOT NULL,
    "at" timestamp with time zone,
    "cents" bigint GENERATED ALWAYS AS ((id * 100)) STORED
) PARTITION BY LIST (((id > 0)));
CREATE TABLE "shop"."sale_1b_north" (
    "id" integer NOT NULL,
    "at" timestamp with time zone,
    "cents" bigint GENERATED ALWAYS AS ((id * 100)) STORED
);
CREATE UNLOGGED TABLE "shop"."sale_1__rerouted" AS SELECT "id", "at" FROM "shop"."sale_1";
DROP TABLE "shop"."sale_1";
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_1a" FOR VALUES FROM (MINVALUE) TO (5);
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_1b" FOR VALUES FROM (5) TO (10);
ALTER TABLE "shop"."sale_1b" ATTACH PARTITION "shop"."sale_1b_north" FOR VALUES IN (true);
INSERT INTO "shop"."sale" ("id", "at") SELECT "id", "at" FROM "shop"."sale_1__rerouted";
DROP TABLE "shop"."sale_1__rerouted";
