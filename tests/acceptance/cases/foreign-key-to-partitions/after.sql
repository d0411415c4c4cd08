CREATE SCHEMA shop;
CREATE TABLE shop.item (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE shop.item_high PARTITION OF shop.item FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
CREATE TABLE shop.item_highest PARTITION OF shop.item_high FOR VALUES FROM (150) TO (200);
CREATE TABLE shop.item_low PARTITION OF shop.item FOR VALUES FROM (0) TO (100);
CREATE TABLE shop.bought (item integer REFERENCES shop.item);
