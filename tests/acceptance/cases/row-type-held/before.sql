CREATE SCHEMA shop;
CREATE TABLE shop.item (id integer, name text);
CREATE DOMAIN shop.known_item AS shop.item CHECK ((VALUE).id > 0);
CREATE TABLE shop.archive (day date, one shop.item, many shop.item[], known shop.known_item);
CREATE VIEW shop.names AS SELECT (one).name FROM shop.archive;
