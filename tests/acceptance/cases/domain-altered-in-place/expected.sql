ALTER DOMAIN "shop"."price" DROP CONSTRAINT "low";
ALTER DOMAIN "shop"."price" SET DEFAULT 2;
ALTER DOMAIN "shop"."price" SET NOT NULL;
ALTER DOMAIN "shop"."price" VALIDATE CONSTRAINT "later";
ALTER DOMAIN "shop"."price" ADD CONSTRAINT "high" CHECK ((VALUE < (1000)::numeric));
