CREATE SCHEMA shop;
CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE shop.item (a integer, b integer);
CREATE RULE r AS ON INSERT TO shop.item DO ALSO SELECT 1;
