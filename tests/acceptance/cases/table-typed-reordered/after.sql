CREATE SCHEMA shop;
CREATE TYPE shop.pair AS (c date, b text, a integer);
CREATE TYPE shop.other AS (a integer, b text);
CREATE TABLE shop.item OF shop.pair (PRIMARY KEY (a), b WITH OPTIONS DEFAULT 'x' CHECK (b <> ''));
CREATE INDEX item_b_idx ON shop.item (b);
CREATE TABLE shop.part (item integer REFERENCES shop.item);
CREATE TABLE shop.loose OF shop.other;
CREATE VIEW shop.item_view AS SELECT a, b FROM shop.item;
COMMENT ON COLUMN shop.item.b IS 'what it is';
