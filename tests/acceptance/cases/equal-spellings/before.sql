CREATE SCHEMA shop;
CREATE TABLE shop.item (id int4 PRIMARY KEY, name varchar(20) DEFAULT 'x', tags text[] DEFAULT '{}', at timestamptz DEFAULT now());
CREATE INDEX ON shop.item USING btree (name);
