DROP INDEX "shop"."south_by_region";
CREATE INDEX "sale_north_id_idx" ON "shop"."sale_north" USING btree (id);
CREATE INDEX "sale_south_id_idx" ON "shop"."sale_south" USING btree (id);
CREATE INDEX "sale_south_region_idx" ON "shop"."sale_south" USING btree (region);
ALTER TABLE "shop"."sale" ATTACH PARTITION "shop"."sale_south" FOR VALUES IN ('south');
CREATE INDEX "sale_id" ON ONLY "shop"."sale" USING btree (id);
ALTER INDEX "shop"."sale_id" ATTACH PARTITION "shop"."sale_north_id_idx";
ALTER INDEX "shop"."sale_id" ATTACH PARTITION "shop"."sale_south_id_idx";
CREATE INDEX "south_by_region" ON "shop"."sale_south" USING btree (region);
