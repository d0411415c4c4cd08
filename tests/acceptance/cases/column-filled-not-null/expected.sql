ALTER TABLE "shop"."item" ADD COLUMN "alone" integer;
UPDATE "shop"."item" SET "alone" = (id + 2);
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM "shop"."item" WHERE CASE WHEN "alone" IS NULL THEN (id + 2) IS NOT NULL ELSE false END);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.item got no value for column shop.item.alone');
  END IF;
END
$rows$;
ALTER TABLE "shop"."item" ADD NOT NULL "alone" NO INHERIT;
ALTER TABLE "shop"."item" ADD COLUMN "later" integer;
UPDATE "shop"."item" SET "later" = (id + 3);
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM "shop"."item" WHERE CASE WHEN "later" IS NULL THEN (id + 3) IS NOT NULL ELSE false END);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.item got no value for column shop.item.later');
  END IF;
END
$rows$;
ALTER TABLE "shop"."item" ADD CONSTRAINT "item_has_later" NOT NULL "later" NOT VALID;
ALTER TABLE "shop"."item" ADD COLUMN "named" integer;
UPDATE "shop"."item" SET "named" = (id + 1);
DO $rows$
#variable_conflict use_column
DECLARE missing pg_catalog.int8;
BEGIN
  SET LOCAL row_security = off;
  missing := (SELECT pg_catalog.count(*) FROM "shop"."item" WHERE CASE WHEN "named" IS NULL THEN (id + 1) IS NOT NULL ELSE false END);
  IF missing OPERATOR(pg_catalog.<>) 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'RC001', MESSAGE = pg_catalog.concat(missing, ' rows of table shop.item got no value for column shop.item.named');
  END IF;
END
$rows$;
ALTER TABLE "shop"."item" ALTER COLUMN "named" SET DEFAULT 5;
ALTER TABLE "shop"."item" ADD CONSTRAINT "item_is_named" NOT NULL "named";
COMMENT ON CONSTRAINT "item_is_named" ON "shop"."item" IS 'from the id';
