DROP VIEW "shop"."dearest";
DROP VIEW "shop"."dear";
ALTER TABLE "shop"."item" ALTER COLUMN "price" TYPE numeric(12,2);
CREATE VIEW "shop"."dear" AS
SELECT id,
    price
   FROM shop.item
  WHERE (price > (100)::numeric);
CREATE VIEW "shop"."dearest" AS
SELECT id
   FROM shop.dear
  WHERE (price > (1000)::numeric);
COMMENT ON VIEW "shop"."dear" IS 'not cheap';
GRANT SELECT ON TABLE "shop"."dearest" TO "case_reader";
