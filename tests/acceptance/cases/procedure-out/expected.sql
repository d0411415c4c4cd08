CREATE OR REPLACE PROCEDURE shop.p(IN a integer, OUT b integer)
 LANGUAGE plpgsql
 SECURITY DEFINER
AS $procedure$ BEGIN b := a + 1; END $procedure$;
