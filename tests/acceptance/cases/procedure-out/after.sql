CREATE SCHEMA shop;
CREATE PROCEDURE shop.p(IN a integer, OUT b integer) LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN b := a + 1; END $$;
