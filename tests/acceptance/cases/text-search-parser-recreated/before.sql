CREATE SCHEMA shop;
CREATE TEXT SEARCH PARSER shop.words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE shop.plain (LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY shop.plain (TEMPLATE = shop.plain);
CREATE TEXT SEARCH CONFIGURATION shop.search (PARSER = shop.words);
