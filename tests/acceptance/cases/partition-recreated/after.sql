CREATE SCHEMA plant;
CREATE TABLE plant.reading (
    id integer NOT NULL,
    at integer NOT NULL,
    kind text NOT NULL,
    CONSTRAINT reading_key UNIQUE (id, at, kind)
) PARTITION BY RANGE (at);
CREATE TABLE plant.reading_1 PARTITION OF plant.reading FOR VALUES FROM (0) TO (5) PARTITION BY LIST (kind);
CREATE TABLE plant.reading_1_hot PARTITION OF plant.reading_1 FOR VALUES IN ('hot');
CREATE TABLE plant.reading_1_rest PARTITION OF plant.reading_1 DEFAULT;
CREATE TABLE plant.reading_2 PARTITION OF plant.reading FOR VALUES FROM (5) TO (15);
CREATE TABLE plant.reading_rest PARTITION OF plant.reading DEFAULT;
CREATE PUBLICATION told FOR TABLE plant.reading;
