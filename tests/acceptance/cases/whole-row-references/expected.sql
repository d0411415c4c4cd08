DROP INDEX "shop"."by_label";
DROP INDEX "shop"."by_total";
alter table "shop"."Item" drop constraint "labelled";
ALTER TABLE "shop"."Item" ALTER COLUMN "b" TYPE character varying(30);
ALTER TABLE "shop"."Item" ALTER COLUMN "n" TYPE bigint;
alter table "shop"."Item" add constraint "labelled" CHECK ((shop.label("Item".*) <> ''::text));
CREATE INDEX "by_label" ON "shop"."Item" USING btree (shop.label("Item".*));
CREATE UNIQUE INDEX "by_total" ON "shop"."Item" USING btree (shop.total("Item".*)) WHERE ("Item".* IS NOT NULL);
