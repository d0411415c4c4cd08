CREATE SCHEMA shop;
CREATE TABLE shop."Item" (id integer PRIMARY KEY, b varchar(30), n bigint);
CREATE FUNCTION shop.label(shop."Item") RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1.b || $1.n; END';
CREATE FUNCTION shop.total(shop."Item") RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1.n::numeric';
CREATE INDEX by_label ON shop."Item" (shop.label("Item"));
CREATE UNIQUE INDEX by_total ON shop."Item" (shop.total("Item")) WHERE "Item" IS NOT NULL;
ALTER TABLE shop."Item" ADD CONSTRAINT labelled CHECK (shop.label("Item") <> '');
CREATE VIEW shop.whole AS SELECT "Item" AS item, shop.total("Item".*) AS total FROM shop."Item";
CREATE POLICY labelled ON shop."Item" USING (shop.label("Item") <> '');
