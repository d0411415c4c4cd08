ALTER TABLE "shop"."item" REPLICA IDENTITY NOTHING;
ALTER INDEX "shop"."item_b" SET (deduplicate_items = 'off', fillfactor = '80');
ALTER INDEX "shop"."item_b" ALTER COLUMN 1 SET STATISTICS 500;
