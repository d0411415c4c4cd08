DROP VIEW "shop"."dearest";
DROP VIEW "shop"."dear";
ALTER TABLE "shop"."item" ALTER COLUMN "price" TYPE numeric(12,2);
CREATE VIEW "shop"."dear" AS
SELECT item.id,
    item.price
   FROM shop.item
  WHERE (item.price > (100)::numeric);
CREATE VIEW "shop"."dearest" AS
SELECT dear.id
   FROM shop.dear
  WHERE (dear.price > (1000)::numeric);
COMMENT ON VIEW "shop"."dear" IS 'not cheap';
GRANT SELECT ON TABLE "shop"."dearest" TO "case_reader";
