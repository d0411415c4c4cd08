ALTER TABLE "shop"."item" VALIDATE CONSTRAINT "item_id";
ALTER TABLE "shop"."item" VALIDATE CONSTRAINT "item_maker";
