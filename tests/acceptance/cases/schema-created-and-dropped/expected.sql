DROP SCHEMA "old";
CREATE SCHEMA "shop";
COMMENT ON SCHEMA "shop" IS 'the shop';
ALTER SCHEMA "shop" OWNER TO "case_owner";
GRANT USAGE ON SCHEMA "shop" TO "case_reader";
