CREATE SCHEMA shop;
CREATE FUNCTION shop.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE shop.item (a integer, b integer);
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON shop.item FOR EACH ROW EXECUTE FUNCTION shop.stamp();
COMMENT ON TRIGGER t ON shop.item IS 'kept';
