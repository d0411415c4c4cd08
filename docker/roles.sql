-- Run once, when the database is made. `app` owns what it reconciles; `drift` may only read.
CREATE ROLE app LOGIN PASSWORD 'example';
CREATE ROLE drift LOGIN PASSWORD 'example' IN ROLE pg_read_all_data;
ALTER DATABASE app OWNER TO app;
