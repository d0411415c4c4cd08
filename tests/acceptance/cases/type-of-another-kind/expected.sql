DROP VIEW "shop"."sizes";
ALTER TABLE ONLY "shop"."item" ALTER COLUMN "size" DROP DEFAULT;
DROP INDEX "shop"."item_size";
ALTER TABLE "shop"."item" ALTER COLUMN "others" TYPE text USING "others"::text;
ALTER TABLE "shop"."item" ALTER COLUMN "size" TYPE text USING "size"::text;
DROP TYPE "shop"."size";
CREATE DOMAIN "shop"."size" AS text CONSTRAINT "size_check" CHECK ((VALUE = ANY (ARRAY['S'::text, 'M'::text])));
ALTER TABLE "shop"."item" ALTER COLUMN "others" TYPE shop.size[] USING "others"::shop.size[];
ALTER TABLE "shop"."item" ALTER COLUMN "size" TYPE shop.size USING "size"::shop.size;
CREATE INDEX "item_size" ON "shop"."item" USING btree (size);
ALTER TABLE ONLY "shop"."item" ALTER COLUMN "size" SET DEFAULT 'M'::text;
CREATE VIEW "shop"."sizes" AS
SELECT size
   FROM shop.item;
