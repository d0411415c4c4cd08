ALTER TABLE "shop"."maker" ALTER COLUMN "id" SET NOT NULL;
alter table "shop"."item" add constraint "item_during" EXCLUDE USING gist (during WITH &&);
alter table "shop"."item" add constraint "item_id_key" UNIQUE (id) DEFERRABLE;
alter table "shop"."item" add constraint "item_name" CHECK ((name <> ''::text));
alter table "shop"."maker" add constraint "maker_pkey" PRIMARY KEY (id);
alter table "shop"."item" add constraint "item_maker" FOREIGN KEY (maker_id) REFERENCES shop.maker(id) ON UPDATE SET NULL ON DELETE CASCADE;
