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
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT greatest((SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region")::pg_catalog.text, 0) FROM "shop"."sale__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "region")::pg_catalog.text, 0) FROM "shop"."sale") m), (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region")::pg_catalog.text, 0) FROM "shop"."sale") m) OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", "region")::pg_catalog.text, 0) FROM "shop"."sale__replaced") m)));
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.sale did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "shop"."sale__replaced";
