ALTER TABLE "shop"."item" OF shop.pair;
