ALTER TABLE "shop"."sale_1" RENAME TO "sale_1__replaced";
ALTER TABLE "shop"."sale_2" RENAME TO "sale_2__replaced";
ALTER TABLE "shop"."sale" RENAME TO "sale__replaced";
CREATE TABLE "shop"."sale" (
    "id" integer CONSTRAINT "sale_id_not_null" NOT NULL,
    "region" text CONSTRAINT "sale_region_not_null" NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE "shop"."sale_1" (
    "id" integer CONSTRAINT "sale_id_not_null" NOT NULL,
    "region" text CONSTRAINT "sale_region_not_null" NOT NULL
);
CREATE TABLE "shop"."sale_2" (
    "id" integer CONSTRAINT "sale_id_not_null" NOT NULL,
    "region" text CONSTRAINT "sale_region_not_null" NOT NULL
) PARTITION BY LIST (region);
CREATE TABLE "shop"."sale_2_north" (
    "id" integer CONSTRAINT "sale_id_not_null" NOT NULL,
    "region" text CONSTRAINT "sale_region_not_null" NOT NULL
);
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_1" FOR VALUES FROM (0) TO (10);
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_2" FOR VALUES FROM (10) TO (20);
ALTER TABLE "shop"."sale_2" ATTACH PARTITION "shop"."sale_2_north" FOR VALUES IN ('north');
INSERT INTO "shop"."sale" ("id", "region") SELECT "id", "region" FROM "shop"."sale__replaced";
DROP TABLE "shop"."sale__replaced";
