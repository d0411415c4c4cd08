CREATE SCHEMA shop;
CREATE EXTENSION btree_gist SCHEMA shop;
CREATE TABLE shop.price (item integer, valid daterange);
CREATE TABLE shop.offer (item integer, valid daterange);
