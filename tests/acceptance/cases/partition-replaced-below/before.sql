CREATE SCHEMA shop;
CREATE TABLE shop.event (id integer NOT NULL, kind text NOT NULL) PARTITION BY LIST (kind);
CREATE TABLE shop.event_a PARTITION OF shop.event FOR VALUES IN ('a') PARTITION BY RANGE (id);
CREATE TABLE shop.event_old PARTITION OF shop.event_a FOR VALUES FROM (0) TO (10);
