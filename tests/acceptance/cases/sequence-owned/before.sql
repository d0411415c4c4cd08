CREATE SCHEMA shop;
CREATE SEQUENCE shop.item_id_seq AS integer;
CREATE TABLE shop.item (id integer NOT NULL);
