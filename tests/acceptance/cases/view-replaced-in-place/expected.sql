CREATE OR REPLACE VIEW "shop"."v" WITH (security_barrier = 'true') AS
SELECT a,
    b
   FROM shop.item
  WHERE (a > 0);
