DROP MATERIALIZED VIEW "shop"."m";
CREATE MATERIALIZED VIEW "shop"."m" AS
SELECT a,
    b
   FROM shop.item;
CREATE UNIQUE INDEX "m_a" ON "shop"."m" USING btree (a);
COMMENT ON MATERIALIZED VIEW "shop"."m" IS 'kept';
GRANT SELECT ON TABLE "shop"."m" TO "case_reader";
