DROP INDEX "shop"."item_a";
CREATE UNIQUE INDEX "item_a" ON "shop"."item" USING btree (a DESC) INCLUDE (b);
ALTER TABLE "shop"."item" CLUSTER ON "item_a";
ALTER TABLE "shop"."item" REPLICA IDENTITY USING INDEX "item_a";
CREATE INDEX "item_b" ON "shop"."item" USING btree (b text_pattern_ops);
