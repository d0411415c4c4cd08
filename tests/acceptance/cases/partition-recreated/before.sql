CREATE SCHEMA plant;
CREATE TABLE plant.reading (
    id integer NOT NULL,
    at integer NOT NULL,
    kind text NOT NULL,
    CONSTRAINT reading_key PRIMARY KEY (id, at, kind)
) PARTITION BY RANGE (at);
CREATE TABLE plant.reading_1 PARTITION OF plant.reading FOR VALUES FROM (0) TO (10);
CREATE TABLE plant.reading_2 PARTITION OF plant.reading FOR VALUES FROM (10) TO (20);
CREATE TABLE plant.reading_rest PARTITION OF plant.reading DEFAULT;
CREATE PUBLICATION told FOR TABLE plant.reading;
