DROP INDEX "public"."account_email_idx";
DROP INDEX "public"."account_id_idx";
ALTER TABLE "public"."account" ALTER COLUMN "email" TYPE text;
DROP EXTENSION "citext";
CREATE INDEX "account_email_idx" ON "public"."account" USING btree (email);
CREATE UNIQUE INDEX "account_id_idx" ON "public"."account" USING btree (id) WHERE (email <> 'nobody'::text);
