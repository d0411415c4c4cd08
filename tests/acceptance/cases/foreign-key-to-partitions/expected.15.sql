CREATE TABLE "shop"."item" (
    "id" integer NOT NULL,
    CONSTRAINT "item_pkey" PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE TABLE "shop"."item_high" (
    "id" integer NOT NULL
) PARTITION BY RANGE (id);
CREATE TABLE "shop"."item_highest" (
    "id" integer NOT NULL
);
CREATE TABLE "shop"."item_low" (
    "id" integer NOT NULL
);
ALTER TABLE "shop"."item" ATTACH PARTITION "shop"."item_high" FOR VALUES FROM (100) TO (200);
ALTER TABLE "shop"."item_high" ATTACH PARTITION "shop"."item_highest" FOR VALUES FROM (150) TO (200);
ALTER TABLE "shop"."item" ATTACH PARTITION "shop"."item_low" FOR VALUES FROM (0) TO (100);
CREATE TABLE "shop"."bought" (
    "item" integer,
    CONSTRAINT "bought_item_fkey" FOREIGN KEY (item) REFERENCES shop.item(id)
);
