CREATE SCHEMA shop;
CREATE TABLE shop.item (
    id integer NOT NULL,
    name character varying(20) DEFAULT 'x'::character varying,
    tags text[] DEFAULT '{}'::text[],
    at timestamp with time zone DEFAULT now(),
    PRIMARY KEY (id)
);
CREATE INDEX item_name_idx ON shop.item (name);
