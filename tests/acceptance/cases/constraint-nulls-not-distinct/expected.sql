alter table "shop"."item" drop constraint "item_a";
alter table "shop"."item" add constraint "item_a" UNIQUE NULLS NOT DISTINCT (a);
