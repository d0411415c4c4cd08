ALTER TABLE "shop"."c" NO INHERIT "shop"."a";
ALTER TABLE "shop"."c" NO INHERIT "shop"."b";
ALTER TABLE "shop"."c" RENAME TO "c__replaced";
ALTER TABLE "shop"."a" ALTER COLUMN "x" TYPE integer;
ALTER TABLE "shop"."b" ALTER COLUMN "x" TYPE integer;
CREATE TABLE "shop"."c" (
    "z" integer
) INHERITS ("shop"."a", "shop"."b");
INSERT INTO "shop"."c" ("x", "y", "z") SELECT "x", "y", "z" FROM "shop"."c__replaced";
DROP TABLE "shop"."c__replaced";
