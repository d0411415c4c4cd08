CREATE SCHEMA shop;
CREATE TEXT SEARCH DICTIONARY shop.words (TEMPLATE = snowball, LANGUAGE = german);
CREATE TEXT SEARCH CONFIGURATION shop.search (PARSER = pg_catalog.default);
ALTER TEXT SEARCH CONFIGURATION shop.search ADD MAPPING FOR asciiword, "int" WITH shop.words;
