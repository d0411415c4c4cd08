DROP INDEX "shop"."dropped_k";
DROP INDEX "shop"."full_now_k";
alter table "shop"."key" drop constraint "key_k";
ALTER TABLE "shop"."with_column" DROP COLUMN "k";
ALTER TABLE "shop"."dropped" REPLICA IDENTITY DEFAULT;
ALTER TABLE "shop"."full_now" REPLICA IDENTITY FULL;
ALTER TABLE "shop"."kept" REPLICA IDENTITY DEFAULT;
ALTER TABLE "shop"."key" REPLICA IDENTITY DEFAULT;
ALTER TABLE "shop"."with_column" REPLICA IDENTITY DEFAULT;
