CREATE SCHEMA shop AUTHORIZATION case_owner;
COMMENT ON SCHEMA shop IS 'the shop';
GRANT USAGE ON SCHEMA shop TO case_reader;
