ALTER TABLE "shop"."child" INHERIT "shop"."base";
ALTER TABLE "shop"."day" ATTACH PARTITION "shop"."day_1" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
