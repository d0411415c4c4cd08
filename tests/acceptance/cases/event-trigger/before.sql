CREATE SCHEMA shop;
CREATE FUNCTION shop.seen() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER one ON ddl_command_end EXECUTE FUNCTION shop.seen();
CREATE EVENT TRIGGER two ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION shop.seen();
