DROP STATISTICS "shop"."spread";
ALTER TEXT SEARCH DICTIONARY "shop"."words" (stopwords = 'english', language = 'english');
CREATE STATISTICS "shop"."spread" (mcv) ON ((a % 20)), ((b % 10)) FROM shop.item;
