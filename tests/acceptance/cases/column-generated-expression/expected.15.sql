ALTER TABLE "shop"."item" DROP COLUMN "b";
ALTER TABLE "shop"."item" ADD COLUMN "b" integer GENERATED ALWAYS AS ((a + 2)) STORED;
