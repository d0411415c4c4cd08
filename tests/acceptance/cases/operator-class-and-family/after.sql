CREATE SCHEMA shop;
CREATE OPERATOR FAMILY shop.ints USING btree;
CREATE OPERATOR CLASS shop.ints FOR TYPE integer USING btree FAMILY shop.ints AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer), FUNCTION 2 btint4sortsupport(internal);
ALTER OPERATOR FAMILY shop.ints USING btree ADD OPERATOR 1 < (integer, bigint);
CREATE TABLE shop.item (a integer);
CREATE INDEX item_a ON shop.item (a shop.ints);
