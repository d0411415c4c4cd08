ALTER TABLE "public"."fair_1" ALTER COLUMN "id" SET NOT NULL;
ALTER TABLE "public"."fair" ALTER COLUMN "id" DROP NOT NULL;
ALTER TABLE "public"."fair_2_low" ALTER COLUMN "note" SET NOT NULL;
ALTER TABLE "public"."fair" ALTER COLUMN "note" DROP NOT NULL;
ALTER TABLE "public"."fair_1" RENAME CONSTRAINT "fair_id_not_null" TO "fair_1_id_not_null";
ALTER TABLE "public"."fair_2_low" RENAME CONSTRAINT "fair_note_not_null" TO "fair_2_low_note_not_null";
ALTER TABLE "public"."stall_own" ALTER COLUMN "id" SET NOT NULL;
ALTER TABLE "public"."stall" ALTER COLUMN "id" DROP NOT NULL;
ALTER TABLE "public"."stall_own" RENAME CONSTRAINT "stall_id_not_null" TO "stall_own_id_not_null";
