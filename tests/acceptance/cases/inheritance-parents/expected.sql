DROP VIEW "shop"."cheap";
ALTER TABLE "shop"."both" NO INHERIT "shop"."left";
ALTER TABLE "shop"."both" NO INHERIT "shop"."right";
CREATE TABLE "shop"."reconciler_tmp_241dafefd10f9572" ("id" integer CONSTRAINT "item_id_not_null" NOT NULL, "price" numeric, "size" shop.size);
ALTER TABLE "shop"."book" INHERIT "shop"."reconciler_tmp_241dafefd10f9572";
ALTER TABLE "shop"."book" NO INHERIT "shop"."item";
ALTER TABLE "shop"."book" NO INHERIT "shop"."priced";
alter table "shop"."book" drop constraint "cheap";
alter table "shop"."book" drop constraint "positive";
alter table "shop"."item" drop constraint "positive";
alter table "shop"."priced" drop constraint "cheap";
ALTER TYPE "shop"."size" RENAME TO "size__replaced";
CREATE TYPE "shop"."size" AS ENUM ('large', 'small');
CREATE TABLE "shop"."named" (
    "name" text DEFAULT 'none'::text CONSTRAINT "named_name_not_null" NOT NULL,
    CONSTRAINT "named" CHECK ((name <> ''::text))
);
ALTER TABLE "shop"."reconciler_tmp_241dafefd10f9572" ALTER COLUMN "id" TYPE bigint;
ALTER TABLE "shop"."both" ALTER COLUMN "id" TYPE bigint;
ALTER TABLE "shop"."item" ALTER COLUMN "id" TYPE bigint;
ALTER TABLE "shop"."left" ALTER COLUMN "id" TYPE bigint;
ALTER TABLE "shop"."priced" ALTER COLUMN "id" TYPE bigint;
ALTER TABLE "shop"."right" ALTER COLUMN "id" TYPE bigint;
ALTER TABLE "shop"."reconciler_tmp_241dafefd10f9572" ADD COLUMN "name" text DEFAULT 'none'::text CONSTRAINT "named_name_not_null" NOT NULL;
ALTER TABLE "shop"."reconciler_tmp_241dafefd10f9572" ALTER COLUMN "size" TYPE shop.size USING "size"::text::shop.size;
ALTER TABLE "shop"."item" ALTER COLUMN "size" TYPE shop.size USING "size"::text::shop.size;
DROP TYPE "shop"."size__replaced";
ALTER TABLE "shop"."reconciler_tmp_241dafefd10f9572" ADD CONSTRAINT "cheap" CHECK ((price < (1000)::numeric));
ALTER TABLE "shop"."reconciler_tmp_241dafefd10f9572" ADD CONSTRAINT "named" CHECK ((name <> ''::text));
alter table "shop"."priced" add constraint "cheap" CHECK ((price < (1000)::numeric));
ALTER TABLE ONLY "shop"."novel" ALTER COLUMN "name" SET DEFAULT 'none'::text;
ALTER TABLE "shop"."book" INHERIT "shop"."priced";
ALTER TABLE "shop"."book" INHERIT "shop"."named";
ALTER TABLE "shop"."book" INHERIT "shop"."item";
ALTER TABLE "shop"."book" NO INHERIT "shop"."reconciler_tmp_241dafefd10f9572";
DROP TABLE "shop"."reconciler_tmp_241dafefd10f9572";
ALTER TABLE "shop"."both" INHERIT "shop"."right";
CREATE VIEW "shop"."cheap" AS
SELECT id,
    price
   FROM shop.priced;
