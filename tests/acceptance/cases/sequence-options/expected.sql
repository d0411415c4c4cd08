ALTER SEQUENCE "shop"."number" AS bigint MINVALUE 0 MAXVALUE 9223372036854775807;
SELECT pg_catalog.setval('"shop"."number"'::regclass, CASE WHEN is_called AND last_value > 1000 THEN 1000 ELSE 10 END, is_called AND last_value > 1000) FROM "shop"."number" WHERE last_value NOT BETWEEN 0 AND 1000;
ALTER SEQUENCE "shop"."number" AS integer INCREMENT BY 2 CACHE 5 MINVALUE 0 MAXVALUE 1000 START WITH 10 CYCLE;
