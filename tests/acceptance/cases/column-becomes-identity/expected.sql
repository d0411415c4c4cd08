ALTER TABLE "shop"."item" ALTER COLUMN "id" ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME shop.item_id_seq MINVALUE 5 CACHE 3 CYCLE);
SELECT pg_catalog.setval('shop.item_id_seq', max("id")::bigint) FROM "shop"."item" HAVING max("id") >= 5;
