CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b text);
CREATE MATERIALIZED VIEW shop.m AS SELECT a, b FROM shop.item;
CREATE UNIQUE INDEX m_a ON shop.m (a);
GRANT SELECT ON shop.m TO case_reader;
COMMENT ON MATERIALIZED VIEW shop.m IS 'kept';
