CREATE SCHEMA shop;
CREATE TYPE shop.state AS ENUM ('new', 'paid', 'lost', 'sent');
CREATE TABLE shop.orders (id integer PRIMARY KEY, state shop.state DEFAULT 'new' NOT NULL);
