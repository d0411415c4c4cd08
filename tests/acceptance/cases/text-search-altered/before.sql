CREATE SCHEMA shop;
CREATE TEXT SEARCH DICTIONARY shop.words (TEMPLATE = snowball, LANGUAGE = english, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION shop.search (PARSER = pg_catalog.default);
ALTER TEXT SEARCH CONFIGURATION shop.search ADD MAPPING FOR asciiword, word WITH shop.words, simple;
