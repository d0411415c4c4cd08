CREATE SCHEMA shop;
CREATE EXTENSION btree_gist SCHEMA shop;
CREATE TABLE shop.price (item integer, valid daterange, CONSTRAINT price_key PRIMARY KEY (item, valid WITHOUT OVERLAPS));
CREATE TABLE shop.offer (item integer, valid daterange,
    CONSTRAINT offer_price FOREIGN KEY (item, PERIOD valid) REFERENCES shop.price (item, PERIOD valid));
