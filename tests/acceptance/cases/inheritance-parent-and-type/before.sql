CREATE TABLE named (name text);
CREATE TABLE item (id integer NOT NULL);
CREATE TABLE book (pages integer) INHERITS (item);
