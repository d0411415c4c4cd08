CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, owner text);
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON shop.item FOR UPDATE TO case_reader USING (a > 0);
COMMENT ON POLICY p ON shop.item IS 'kept';
