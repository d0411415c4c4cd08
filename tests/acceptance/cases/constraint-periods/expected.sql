ALTER TABLE "shop"."price" ALTER COLUMN "item" SET NOT NULL;
ALTER TABLE "shop"."price" ALTER COLUMN "valid" SET NOT NULL;
alter table "shop"."price" add constraint "price_key" PRIMARY KEY (item, valid WITHOUT OVERLAPS);
alter table "shop"."offer" add constraint "offer_price" FOREIGN KEY (item, PERIOD valid) REFERENCES shop.price(item, PERIOD valid);
