alter table "shop"."item" drop constraint "item_pkey";
ALTER TABLE "shop"."item" ALTER COLUMN "a" TYPE text USING "a"::text;
DROP DOMAIN "shop"."label";
DROP COLLATION "shop"."c";
CREATE COLLATION "shop"."c" (LOCALE = 'POSIX');
CREATE DOMAIN "shop"."label" AS text COLLATE shop.c;
ALTER TABLE "shop"."item" ALTER COLUMN "a" TYPE shop.label USING "a"::shop.label;
alter table "shop"."item" add constraint "item_pkey" PRIMARY KEY (a);
