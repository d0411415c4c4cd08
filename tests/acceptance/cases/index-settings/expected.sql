ALTER TABLE "shop"."item" REPLICA IDENTITY NOTHING;
ALTER INDEX "shop"."item_b" SET (fillfactor = '80', deduplicate_items = 'off');
ALTER INDEX "shop"."item_b" ALTER COLUMN 1 SET STATISTICS 500;
ALTER INDEX "shop"."item_order" RESET (deduplicate_items, fillfactor);
ALTER INDEX "shop"."item_order" SET (fillfactor = '90', deduplicate_items = 'off');
