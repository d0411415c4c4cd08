CREATE SCHEMA shop;
-- Directions, a duplicate, a key that is younger than a unique index, and a primary key below a unique one.
CREATE TABLE shop.visit (id integer NOT NULL, kind integer NOT NULL, made timestamptz) PARTITION BY LIST (kind);
CREATE TABLE shop.visit_a (id integer NOT NULL, kind integer NOT NULL, made timestamptz);
ALTER TABLE shop.visit ATTACH PARTITION shop.visit_a FOR VALUES IN (1);
CREATE INDEX made_up ON ONLY shop.visit (made);
CREATE INDEX made_down ON ONLY shop.visit (made DESC);
CREATE INDEX made_again ON ONLY shop.visit (made);
CREATE UNIQUE INDEX once ON ONLY shop.visit (id, kind);
CREATE INDEX a_3 ON shop.visit_a (made DESC);
CREATE INDEX a_2 ON shop.visit_a (made);
CREATE INDEX a_1 ON shop.visit_a (made);
CREATE UNIQUE INDEX a_once ON shop.visit_a (id, kind);
ALTER INDEX shop.made_up ATTACH PARTITION shop.a_1;
ALTER INDEX shop.made_down ATTACH PARTITION shop.a_3;
ALTER INDEX shop.made_again ATTACH PARTITION shop.a_2;
ALTER INDEX shop.once ATTACH PARTITION shop.a_once;
CREATE TABLE shop.fee (code text NOT NULL, day date NOT NULL, UNIQUE (code, day)) PARTITION BY LIST (code);
CREATE TABLE shop.fee_x PARTITION OF shop.fee (PRIMARY KEY (code, day)) FOR VALUES IN ('x');
-- Attached with indexes of its own, in another order than those of the parent that it joins.
CREATE TABLE shop.visit_c (id integer NOT NULL, kind integer NOT NULL, made timestamptz);
CREATE INDEX c_3 ON shop.visit_c (made DESC);
CREATE INDEX c_2 ON shop.visit_c (made);
CREATE INDEX c_1 ON shop.visit_c (made);
