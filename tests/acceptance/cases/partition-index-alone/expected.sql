alter table "shop"."sale_north" add constraint "north_key" PRIMARY KEY (id, region);
CREATE UNIQUE INDEX "sale_key" ON ONLY "shop"."sale" USING btree (id, region);
ALTER INDEX "shop"."sale_key" ATTACH PARTITION "shop"."north_key";
CREATE INDEX "north_id" ON "shop"."sale_north" USING btree (id);
ALTER INDEX shop.sale_id ATTACH PARTITION "shop"."north_id";
CREATE INDEX "south_id" ON "shop"."sale_south" USING btree (id);
ALTER INDEX shop.sale_id ATTACH PARTITION "shop"."south_id";
