DROP RULE "payment_insert_2025" ON "public"."payment";
ALTER TABLE "public"."payment_2025" NO INHERIT "public"."payment";
alter table "public"."payment_2025" drop constraint "payment_2025_check";
ALTER TABLE "public"."payment" RENAME TO "payment__replaced";
CREATE TABLE "public"."payment" (
    "id" integer NOT NULL,
    "paid_at" timestamp with time zone NOT NULL
) PARTITION BY RANGE (paid_at);
ALTER TABLE "public"."payment_2025" ALTER COLUMN "paid_at" TYPE timestamp with time zone;
ALTER TABLE "public"."payment" ATTACH PARTITION "public"."payment_2025" FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2026-01-01 00:00:00+00');
INSERT INTO "public"."payment" ("id", "paid_at") SELECT "id", "paid_at" FROM "public"."payment__replaced";
DROP TABLE "public"."payment__replaced";
