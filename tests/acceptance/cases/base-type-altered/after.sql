CREATE SCHEMA shop;
CREATE TYPE shop.mood;
CREATE FUNCTION shop.mood_in(cstring) RETURNS shop.mood LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION shop.mood_out(shop.mood) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE FUNCTION shop.mood_send(shop.mood) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'textsend';
CREATE TYPE shop.mood (INPUT = shop.mood_in, OUTPUT = shop.mood_out, SEND = shop.mood_send, STORAGE = extended);
