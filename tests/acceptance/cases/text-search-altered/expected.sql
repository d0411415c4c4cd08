ALTER TEXT SEARCH DICTIONARY "shop"."words" (stopwords, language = 'german');
ALTER TEXT SEARCH CONFIGURATION "shop"."search" DROP MAPPING FOR "word";
ALTER TEXT SEARCH CONFIGURATION "shop"."search" ALTER MAPPING FOR "asciiword" WITH shop.words;
ALTER TEXT SEARCH CONFIGURATION "shop"."search" ADD MAPPING FOR "int" WITH shop.words;
