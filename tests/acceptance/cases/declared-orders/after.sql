CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b integer);
CREATE STATISTICS shop.spread (mcv) ON (a % 20), (b % 10) FROM shop.item;
CREATE TEXT SEARCH DICTIONARY shop.words (TEMPLATE = snowball, STOPWORDS = english, LANGUAGE = english);
