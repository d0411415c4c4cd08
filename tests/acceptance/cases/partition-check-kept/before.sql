CREATE SCHEMA shop;
CREATE TABLE shop.event (id integer, b integer, CONSTRAINT positive CHECK (b > 0)) PARTITION BY RANGE (id);
CREATE TABLE shop.event_1 PARTITION OF shop.event FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (id);
CREATE TABLE shop.event_1a PARTITION OF shop.event_1 FOR VALUES FROM (0) TO (10);
CREATE TABLE shop.event_2 PARTITION OF shop.event FOR VALUES FROM (10) TO (20);
CREATE TABLE shop.base (b integer, CONSTRAINT positive CHECK (b > 0));
CREATE TABLE shop.child () INHERITS (shop.base);
