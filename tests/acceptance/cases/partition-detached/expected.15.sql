alter table "shop"."sale" drop constraint "sale_region_fkey";
ALTER TABLE "shop"."sale" DETACH PARTITION "shop"."sale_north";
ALTER TABLE "shop"."sale" DETACH PARTITION "shop"."sale_south";
DROP INDEX "shop"."sale_north_region_idx";
DROP INDEX "shop"."sale_south_region_idx";
alter table "shop"."sale_south" drop constraint "sale_south_pkey";
DROP TABLE "shop"."sale";
CREATE TABLE "shop"."sale_new" (
    "id" integer NOT NULL,
    "region" text NOT NULL,
    CONSTRAINT "sale_new_pkey" PRIMARY KEY (id, region),
    CONSTRAINT "positive" CHECK ((id > 0)),
    CONSTRAINT "sale_new_region_fkey" FOREIGN KEY (region) REFERENCES shop.region(name)
) PARTITION BY LIST (region);
alter table "shop"."sale_south" add constraint "sale_south_pkey" PRIMARY KEY (id, region);
ALTER TABLE "shop"."sale_new" ATTACH PARTITION "shop"."sale_north" FOR VALUES IN ('north', 'arctic');
CREATE TRIGGER touch BEFORE INSERT ON shop.sale_south FOR EACH ROW EXECUTE FUNCTION shop.touch();
