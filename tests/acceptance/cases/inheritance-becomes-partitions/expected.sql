DROP RULE "payment_insert_2025" ON "public"."payment";
ALTER TABLE "public"."payment_2025" NO INHERIT "public"."payment";
alter table "public"."payment_2025" drop constraint "payment_2025_check";
ALTER TABLE "public"."payment" RENAME TO "payment__replaced";
CREATE TABLE "public"."payment" (
    "id" integer CONSTRAINT "payment_id_not_null" NOT NULL,
    "paid_at" timestamp with time zone CONSTRAINT "payment_paid_at_not_null" NOT NULL
) PARTITION BY RANGE (paid_at);
ALTER TABLE "public"."payment_2025" ALTER COLUMN "paid_at" TYPE timestamp with time zone;
ALTER TABLE "public"."payment" ATTACH PARTITION "public"."payment_2025" FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2026-01-01 00:00:00+00');
INSERT INTO "public"."payment" ("id", "paid_at") SELECT "id", "paid_at" FROM "public"."payment__replaced";
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.hashtextextended(ROW("id", ("paid_at")::timestamp with time zone)::pg_catalog.text, 0) FROM "public"."payment__replaced" EXCEPT ALL SELECT pg_catalog.hashtextextended(ROW("id", "paid_at")::pg_catalog.text, 0) FROM "public"."payment") m);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table public.payment did not arrive in the new table as they were');
  END IF;
END
$rows$;
DROP TABLE "public"."payment__replaced";
