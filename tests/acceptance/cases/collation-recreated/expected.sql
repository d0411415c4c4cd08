ALTER TABLE "shop"."item" ALTER COLUMN "a" TYPE text COLLATE pg_catalog."default";
DROP COLLATION "shop"."c";
CREATE COLLATION "shop"."c" (LC_COLLATE = 'C', LC_CTYPE = 'POSIX');
ALTER TABLE "shop"."item" ALTER COLUMN "a" TYPE text COLLATE shop.c;
