ALTER TABLE ONLY "shop"."item" ALTER COLUMN "id" SET DEFAULT nextval('shop.item_id_seq'::regclass);
ALTER SEQUENCE "shop"."item_id_seq" OWNED BY "shop"."item"."id";
