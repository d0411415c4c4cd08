CREATE TABLE event (id integer NOT NULL, at date NOT NULL);
CREATE TABLE event_2025 () INHERITS (event);
