COMMENT ON COLUMN "shop"."item"."a" IS NULL;
COMMENT ON TABLE "shop"."item" IS 'it''s new';
COMMENT ON COLUMN "shop"."v"."a" IS 'of a view';
COMMENT ON CONSTRAINT "c" ON "shop"."item" IS 'check';
COMMENT ON CONSTRAINT "dc" ON DOMAIN "shop"."d" IS 'domain''s';
COMMENT ON TYPE "shop"."e" IS 'enum';
COMMENT ON FUNCTION "shop"."f"(integer) IS 'function';
COMMENT ON INDEX "shop"."i" IS 'index';
