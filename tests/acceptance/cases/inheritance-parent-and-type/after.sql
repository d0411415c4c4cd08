CREATE TABLE named (name text);
CREATE TABLE item (id bigint NOT NULL);
CREATE TABLE book (pages integer) INHERITS (item, named);
