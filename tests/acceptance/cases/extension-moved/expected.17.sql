ALTER EXTENSION "pg_trgm" SET SCHEMA "tools";
CREATE EXTENSION "citext" SCHEMA "tools" VERSION '1.6';
COMMENT ON EXTENSION "citext" IS 'data type for case-insensitive character strings';
