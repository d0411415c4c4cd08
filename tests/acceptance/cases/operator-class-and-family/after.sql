CREATE SCHEMA shop;
CREATE FUNCTION shop.compared(integer, integer) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
CREATE OPERATOR FAMILY shop.ints USING btree;
CREATE OPERATOR CLASS shop.ints FOR TYPE integer USING btree FAMILY shop.ints AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 shop.compared(integer, integer), FUNCTION 2 btint4sortsupport(internal);
ALTER OPERATOR FAMILY shop.ints USING btree ADD OPERATOR 1 < (integer, bigint);
CREATE TABLE shop.item (a integer);
CREATE INDEX item_a ON shop.item (a shop.ints);
