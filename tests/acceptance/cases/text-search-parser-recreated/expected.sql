DROP TEXT SEARCH CONFIGURATION "shop"."search";
DROP TEXT SEARCH DICTIONARY "shop"."plain";
DROP TEXT SEARCH TEMPLATE "shop"."plain";
DROP TEXT SEARCH PARSER "shop"."words";
CREATE TEXT SEARCH PARSER "shop"."words" (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE "shop"."plain" (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY "shop"."plain" (TEMPLATE = shop.plain);
CREATE TEXT SEARCH CONFIGURATION "shop"."search" (PARSER = shop.words);
