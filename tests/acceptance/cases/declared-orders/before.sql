CREATE SCHEMA shop;
CREATE TABLE shop.item (a integer, b integer);
CREATE STATISTICS shop.spread (mcv) ON (b % 10), (a % 20) FROM shop.item;
CREATE TEXT SEARCH DICTIONARY shop.words (TEMPLATE = snowball, LANGUAGE = english, STOPWORDS = english);
