ALTER TABLE ONLY "shop"."orders" ALTER COLUMN "state" DROP DEFAULT;
ALTER TYPE "shop"."state" RENAME TO "state__replaced";
CREATE TYPE "shop"."state" AS ENUM ('new', 'paid', 'sent');
ALTER TABLE "shop"."orders" ALTER COLUMN "state" TYPE shop.state USING "state"::text::shop.state;
DROP TYPE "shop"."state__replaced";
ALTER TABLE ONLY "shop"."orders" ALTER COLUMN "state" SET DEFAULT 'new'::shop.state;
