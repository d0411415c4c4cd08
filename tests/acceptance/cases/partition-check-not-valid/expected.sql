alter table "shop"."sale" add constraint "positive" CHECK ((id > 0)) NOT VALID;
ALTER TABLE "shop"."sale_north" VALIDATE CONSTRAINT "positive";
