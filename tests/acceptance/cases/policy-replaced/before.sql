CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, owner text);
ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON shop.item FOR SELECT USING (a > 0);
