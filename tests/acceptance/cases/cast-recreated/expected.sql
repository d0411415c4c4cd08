DROP CAST (shop.pair AS integer);
CREATE CAST (shop.pair AS integer) WITH FUNCTION shop.to_int(shop.pair) AS ASSIGNMENT;
