CREATE OR REPLACE VIEW "shop"."v" WITH (security_barrier = 'true') AS
SELECT item.a,
    item.b
   FROM shop.item
  WHERE (item.a > 0);
