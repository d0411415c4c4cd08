-- An analytics warehouse: staging tables that inherit, foreign tables, facts by year, layers of views and materialized views,
-- operators, casts, aggregates and a text search configuration of its own.
-- Roles world_owner, world_reader and world_writer must be there. Loads on Postgres 14 to 18.

CREATE SCHEMA staging;
CREATE SCHEMA core;
CREATE SCHEMA marts;
CREATE SCHEMA tools;
COMMENT ON SCHEMA core IS 'cleaned';
COMMENT ON SCHEMA marts IS 'what the reports read';

CREATE EXTENSION hstore SCHEMA tools;
CREATE EXTENSION btree_gist SCHEMA tools;
CREATE EXTENSION pg_trgm SCHEMA public;

-- types, operators, casts ---------------------------------------------------------------------------------------------

CREATE TYPE core.status AS ENUM ('draft', 'open', 'late', 'done');
CREATE TYPE core.kind AS ENUM ('web', 'store');
CREATE TYPE tools.money_amount AS (cents bigint, currency char(3));
CREATE TYPE tools.version AS (major integer, minor integer);
CREATE FUNCTION tools.distance(double precision, double precision) RETURNS double precision LANGUAGE sql IMMUTABLE RETURN $1 - $2;
CREATE TYPE tools.span AS RANGE (SUBTYPE = double precision, SUBTYPE_DIFF = tools.distance);
CREATE DOMAIN core.email AS varchar(200);
CREATE DOMAIN core.money_amount AS numeric;
CREATE DOMAIN tools.percent AS numeric(6, 3) CHECK (VALUE BETWEEN 0 AND 100);

CREATE FUNCTION tools.add(tools.money_amount, tools.money_amount) RETURNS tools.money_amount LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ROW(($1).cents + ($2).cents, ($1).currency)::tools.money_amount;
CREATE FUNCTION tools.negative(tools.money_amount) RETURNS tools.money_amount LANGUAGE sql IMMUTABLE
    RETURN ROW(-($1).cents, ($1).currency)::tools.money_amount;
CREATE FUNCTION tools.version_lt(tools.version, tools.version) RETURNS boolean LANGUAGE sql IMMUTABLE
    RETURN (($1).major, ($1).minor) < (($2).major, ($2).minor);
CREATE FUNCTION tools.version_gt(tools.version, tools.version) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN tools.version_lt($2, $1);
CREATE FUNCTION tools.version_le(tools.version, tools.version) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN NOT tools.version_lt($2, $1);
CREATE FUNCTION tools.version_ge(tools.version, tools.version) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN NOT tools.version_lt($1, $2);
CREATE FUNCTION tools.version_eq(tools.version, tools.version) RETURNS boolean LANGUAGE sql IMMUTABLE
    RETURN (($1).major, ($1).minor) = (($2).major, ($2).minor);
CREATE FUNCTION tools.version_cmp(tools.version, tools.version) RETURNS integer LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN tools.version_lt($1, $2) THEN -1 WHEN tools.version_lt($2, $1) THEN 1 ELSE 0 END;
CREATE OPERATOR tools.+ (FUNCTION = tools.add, LEFTARG = tools.money_amount, RIGHTARG = tools.money_amount, COMMUTATOR = OPERATOR(tools.+));
CREATE OPERATOR tools.- (FUNCTION = tools.negative, RIGHTARG = tools.money_amount);
CREATE OPERATOR tools.<# (FUNCTION = tools.version_lt, LEFTARG = tools.version, RIGHTARG = tools.version,
    COMMUTATOR = OPERATOR(tools.>#), NEGATOR = OPERATOR(tools.>=#), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
CREATE OPERATOR tools.># (FUNCTION = tools.version_gt, LEFTARG = tools.version, RIGHTARG = tools.version,
    COMMUTATOR = OPERATOR(tools.<#), NEGATOR = OPERATOR(tools.<=#), RESTRICT = scalargtsel, JOIN = scalargtjoinsel);
CREATE OPERATOR tools.<=# (FUNCTION = tools.version_le, LEFTARG = tools.version, RIGHTARG = tools.version,
    COMMUTATOR = OPERATOR(tools.>=#), NEGATOR = OPERATOR(tools.>#));
CREATE OPERATOR tools.>=# (FUNCTION = tools.version_ge, LEFTARG = tools.version, RIGHTARG = tools.version,
    COMMUTATOR = OPERATOR(tools.<=#), NEGATOR = OPERATOR(tools.<#));
CREATE OPERATOR tools.=# (FUNCTION = tools.version_eq, LEFTARG = tools.version, RIGHTARG = tools.version, COMMUTATOR = OPERATOR(tools.=#));
CREATE OPERATOR FAMILY tools.version_family USING btree;
CREATE OPERATOR CLASS tools.version_ops FOR TYPE tools.version USING btree FAMILY tools.version_family AS
    OPERATOR 1 tools.<#, OPERATOR 2 tools.<=#, OPERATOR 3 tools.=#, OPERATOR 4 tools.>=#, OPERATOR 5 tools.>#,
    FUNCTION 1 tools.version_cmp(tools.version, tools.version);
CREATE FUNCTION tools.money_of(bigint) RETURNS tools.money_amount LANGUAGE sql IMMUTABLE RETURN ROW($1, 'EUR')::tools.money_amount;
CREATE FUNCTION tools.cents_of(tools.money_amount) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN ($1).cents;
CREATE FUNCTION tools.status_number(core.status) RETURNS integer LANGUAGE sql IMMUTABLE
    RETURN array_position(ARRAY['draft', 'open', 'late', 'done'], $1::text);
CREATE CAST (bigint AS tools.money_amount) WITH FUNCTION tools.money_of(bigint) AS ASSIGNMENT;
CREATE CAST (tools.money_amount AS bigint) WITH FUNCTION tools.cents_of(tools.money_amount);
CREATE CAST (core.status AS integer) WITH FUNCTION tools.status_number(core.status) AS ASSIGNMENT;
CREATE CAST (tools.version AS text) WITH INOUT;
COMMENT ON OPERATOR tools.+ (tools.money_amount, tools.money_amount) IS 'of one currency';
COMMENT ON OPERATOR CLASS tools.version_ops USING btree IS '1.10 after 1.9';
COMMENT ON CAST (bigint AS tools.money_amount) IS 'cents are euros';
COMMENT ON TYPE tools.span IS 'a stretch of numbers';

CREATE FUNCTION tools.average_step(numeric[], numeric) RETURNS numeric[] LANGUAGE sql IMMUTABLE
    RETURN ARRAY[$1[1] + coalesce($2, 0), $1[2] + 1];
CREATE FUNCTION tools.average_end(numeric[]) RETURNS numeric LANGUAGE sql IMMUTABLE RETURN $1[1] / nullif($1[2], 0);
CREATE AGGREGATE tools.average(numeric) (SFUNC = tools.average_step, STYPE = numeric[], FINALFUNC = tools.average_end, INITCOND = '{0,0}');
CREATE AGGREGATE tools.money_sum(tools.money_amount) (SFUNC = tools.add, STYPE = tools.money_amount, PARALLEL = SAFE);
CREATE AGGREGATE tools.middle(double precision ORDER BY anyelement) (
    SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
COMMENT ON AGGREGATE tools.average(numeric) IS 'NULLs count as nothing';

CREATE TEXT SEARCH DICTIONARY tools.words (TEMPLATE = pg_catalog.simple, ACCEPT = false, STOPWORDS = english);
CREATE TEXT SEARCH DICTIONARY tools.stems (TEMPLATE = snowball, LANGUAGE = english);
CREATE TEXT SEARCH CONFIGURATION tools.reports (PARSER = "default");
ALTER TEXT SEARCH CONFIGURATION tools.reports ADD MAPPING FOR asciiword, word WITH tools.words, tools.stems;
ALTER TEXT SEARCH CONFIGURATION tools.reports ADD MAPPING FOR int, float, email WITH simple;
COMMENT ON TEXT SEARCH CONFIGURATION tools.reports IS 'for the search in reports';
CREATE COLLATION tools.bytes (LOCALE = 'C');
CREATE CONVERSION tools.utf8_to_latin FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;

-- foreign data -----------------------------------------------------------------------------------------------------------

CREATE FOREIGN DATA WRAPPER exports OPTIONS (debug 'false');
CREATE SERVER archive TYPE 'files' VERSION '1.2' FOREIGN DATA WRAPPER exports OPTIONS (host 'archive.example', path '/old orders');
CREATE SERVER sensors FOREIGN DATA WRAPPER exports;
CREATE USER MAPPING FOR world_reader SERVER archive OPTIONS (account 'reader');
CREATE USER MAPPING FOR PUBLIC SERVER sensors;
CREATE FOREIGN TABLE staging.archived_orders (
    id bigint OPTIONS (field '1') NOT NULL,
    placed_on date OPTIONS (field '2'),
    total numeric DEFAULT 0 CHECK (total >= 0)
) SERVER archive OPTIONS (name 'orders.csv');
CREATE FOREIGN TABLE staging.sensor_values (at timestamptz, place text COLLATE "C", value real) SERVER sensors;
COMMENT ON FOREIGN TABLE staging.archived_orders IS 'older than ten years';
COMMENT ON SERVER archive IS 'slow';

-- staging: loads that inherit ----------------------------------------------------------------------------------------------

CREATE TABLE staging.loads (
    load_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL DEFAULT 'by hand',
    loaded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT loads_source CHECK (source <> '')
);
CREATE TABLE staging.checked (is_good boolean NOT NULL DEFAULT true, remark text);
CREATE TABLE staging.customer_loads (name text, email text, extra tools.hstore) INHERITS (staging.loads);
CREATE TABLE staging.order_loads (
    order_id bigint,
    lines jsonb,
    batch integer DEFAULT 1,
    CONSTRAINT order_loads_id CHECK (order_id > 0) NO INHERIT
) INHERITS (staging.loads, staging.checked);
CREATE TABLE staging.web_order_loads (agent text) INHERITS (staging.order_loads);
CREATE FOREIGN TABLE staging.archive_loads (field text) INHERITS (staging.checked) SERVER archive;
ALTER TABLE staging.web_order_loads ALTER COLUMN source SET DEFAULT 'web';
CREATE INDEX customer_loads_extra ON staging.customer_loads USING gin (extra tools.gin_hstore_ops);
CREATE INDEX order_loads_lines ON staging.order_loads USING gin (lines);
CREATE UNIQUE INDEX web_order_loads_id ON staging.web_order_loads (order_id);
CREATE UNLOGGED TABLE staging.scratch (key text PRIMARY KEY, value tools.hstore, at timestamptz DEFAULT now());
CREATE UNLOGGED TABLE staging.raw_lines (no bigserial, line text);
ALTER TABLE staging.raw_lines ALTER COLUMN line SET STORAGE EXTERNAL;
CREATE RULE loads_kept AS ON DELETE TO staging.loads WHERE OLD.loaded_at > now() - interval '1 year' DO INSTEAD NOTHING;
CREATE RULE scratch_noted AS ON INSERT TO staging.scratch DO ALSO NOTIFY scratched;
COMMENT ON RULE loads_kept ON staging.loads IS 'a year at least';

-- core: dimensions and facts -----------------------------------------------------------------------------------------------

CREATE TABLE core.dates (
    day date PRIMARY KEY,
    year smallint NOT NULL GENERATED ALWAYS AS (extract(year FROM day)) STORED,
    month smallint NOT NULL GENERATED ALWAYS AS (extract(month FROM day)) STORED,
    is_holiday boolean NOT NULL DEFAULT false
);
CREATE TABLE core.customers (
    id integer PRIMARY KEY,
    key bigint,
    name varchar(100),
    email core.email,
    country char(2) NOT NULL DEFAULT 'de',
    version tools.version,
    valid tstzrange NOT NULL DEFAULT tstzrange(now(), NULL),
    EXCLUDE USING gist (key WITH =, valid WITH &&)
);
CREATE INDEX customers_version_idx ON core.customers (version tools.version_ops);
CREATE INDEX customers_email_idx ON core.customers USING hash (email);
CREATE INDEX customers_search_idx ON core.customers USING gist (name public.gist_trgm_ops);
CREATE STATISTICS core.customers_name_email (ndistinct, dependencies, mcv) ON country, email, name FROM core.customers;
CREATE TABLE core.products (
    id integer PRIMARY KEY,
    title text NOT NULL,
    words tsvector GENERATED ALWAYS AS (to_tsvector('tools.reports', title)) STORED,
    weight tools.span,
    price tools.money_amount DEFAULT ROW(0, 'EUR')::tools.money_amount
);
CREATE INDEX products_words ON core.products USING gist (words);
CREATE INDEX products_weight ON core.products USING gist (weight);
CREATE INDEX products_cents ON core.products ((price::bigint));
CREATE TABLE core.sales (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    day date NOT NULL REFERENCES core.dates,
    customer_id integer NOT NULL REFERENCES core.customers,
    product_id integer NOT NULL REFERENCES core.products,
    kind core.kind NOT NULL DEFAULT 'web',
    status core.status NOT NULL DEFAULT 'open',
    quantity integer NOT NULL CHECK (quantity <> 0),
    amount core.money_amount NOT NULL,
    discount tools.percent DEFAULT 0,
    PRIMARY KEY (id, day)
) PARTITION BY RANGE (day);
CREATE TABLE core.sales_2022 PARTITION OF core.sales FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
CREATE TABLE core.sales_2023 PARTITION OF core.sales FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE core.sales_2024 PARTITION OF core.sales (amount DEFAULT 1, CONSTRAINT sales_2024_amount CHECK (amount > 0))
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE FOREIGN TABLE core.sales_old (
    id bigint NOT NULL, day date NOT NULL, customer_id integer NOT NULL, product_id integer NOT NULL,
    kind core.kind NOT NULL DEFAULT 'web', status core.status NOT NULL DEFAULT 'open',
    quantity integer NOT NULL, amount core.money_amount NOT NULL, discount tools.percent DEFAULT 0
) SERVER archive;
CREATE INDEX sales_day_brin ON core.sales USING brin (day) WITH (autosummarize = on, pages_per_range = 16);
CREATE INDEX sales_customer ON core.sales (customer_id) INCLUDE (amount);
CREATE INDEX sales_2024_open ON core.sales_2024 (status) WHERE status = 'open';
CREATE INDEX sales_bloom ON core.sales_2023 USING brin (customer_id int4_bloom_ops, product_id int4_minmax_multi_ops);
ALTER INDEX core.sales_2024_day_idx SET (pages_per_range = 8);
CREATE TABLE core.orders (LIKE core.sales INCLUDING DEFAULTS INCLUDING CONSTRAINTS, note text);
CREATE TABLE core.measurements (
    at timestamptz NOT NULL,
    place point,
    shape polygon,
    addresses inet[],
    bits bit varying(64) DEFAULT B'0',
    document xml,
    readings tools.span
) WITH (autovacuum_enabled = false);
ALTER TABLE core.measurements ALTER COLUMN shape SET STORAGE MAIN, ALTER COLUMN at SET STATISTICS 1000, ALTER COLUMN at SET (n_distinct = -1);
CREATE INDEX measurements_place ON core.measurements USING gist (place);
CREATE INDEX measurements_quad ON core.measurements USING spgist (place kd_point_ops);
CREATE INDEX measurements_at ON core.measurements USING brin (at timestamptz_minmax_multi_ops) WITH (pages_per_range = 4);
CREATE INDEX measurements_addresses ON core.measurements USING gin (addresses);
COMMENT ON TABLE core.sales IS 'one row a line sold';
COMMENT ON COLUMN core.sales.discount IS 'of the list''s price';

-- marts: views over views, materialized ones over those ---------------------------------------------------------------------

CREATE VIEW marts.sales AS
    SELECT s.*, d.year, d.month, c.country, p.title FROM core.sales s
    JOIN core.dates d ON d.day = s.day JOIN core.customers c ON c.id = s.customer_id JOIN core.products p ON p.id = s.product_id;
CREATE VIEW marts.web_sales AS SELECT * FROM marts.sales WHERE kind = 'web';
CREATE VIEW marts.store_sales AS SELECT * FROM marts.sales WHERE kind = 'store';
CREATE VIEW marts.late_sales AS SELECT id, day, status::integer AS status FROM marts.sales WHERE status = 'late';
CREATE MATERIALIZED VIEW marts.sales_by_month AS
    SELECT year, month, country, kind, sum(amount) AS amount, tools.average(discount) AS discount FROM marts.sales
    GROUP BY year, month, country, kind;
CREATE UNIQUE INDEX sales_by_month_key ON marts.sales_by_month (year, month, country, kind);
CREATE MATERIALIZED VIEW marts.sales_by_year WITH (fillfactor = 90) AS
    SELECT year, country, sum(amount) AS amount FROM marts.sales_by_month GROUP BY year, country;
CREATE UNIQUE INDEX sales_by_year_key ON marts.sales_by_year (year, country) INCLUDE (amount);
CREATE MATERIALIZED VIEW marts.growth AS
    SELECT year, country, amount, amount - lag(amount) OVER (PARTITION BY country ORDER BY year) AS more FROM marts.sales_by_year WITH NO DATA;
CREATE INDEX growth_more ON marts.growth (more DESC NULLS LAST);
CREATE VIEW marts.best_countries AS
    SELECT DISTINCT ON (year) year, country, amount FROM marts.sales_by_year ORDER BY year, amount DESC;
CREATE VIEW marts.channels AS
    SELECT w.day, w.amount AS web, s.amount AS store FROM marts.web_sales w FULL JOIN marts.store_sales s ON s.day = w.day;
CREATE VIEW marts.dashboard AS
    SELECT b.year, b.country, g.more, (SELECT count(*) FROM marts.late_sales) AS late, (SELECT max(web) FROM marts.channels) AS best_day
    FROM marts.best_countries b LEFT JOIN marts.growth g USING (year, country);
CREATE MATERIALIZED VIEW marts.report AS SELECT d.*, now() AS made_at FROM marts.dashboard d WITH NO DATA;
CREATE VIEW marts.money AS SELECT country, tools.money_sum(p.price OPERATOR(tools.+) p.price) AS worth
    FROM core.customers c CROSS JOIN core.products p GROUP BY country;
CREATE VIEW marts.versions AS SELECT a.id, b.id AS older FROM core.customers a JOIN core.customers b ON b.version OPERATOR(tools.<#) a.version;
CREATE VIEW marts.middles AS SELECT kind, tools.middle(0.5) WITHIN GROUP (ORDER BY amount) AS amount FROM core.sales GROUP BY kind;
CREATE VIEW marts.cube AS
    SELECT year, country, kind, grouping(year, country) AS level, sum(amount) AS amount FROM marts.sales GROUP BY CUBE (year, country), kind;
CREATE VIEW marts.all_orders AS
    SELECT id, placed_on, total FROM staging.archived_orders UNION ALL SELECT id, day, amount FROM core.orders;
CREATE VIEW marts.found AS SELECT id, title FROM core.products WHERE words @@ to_tsquery('tools.reports', 'steel & bolt');
CREATE VIEW public.customers AS SELECT key AS id, name, country FROM core.customers WHERE upper_inf(valid);
CREATE MATERIALIZED VIEW public.orders AS SELECT * FROM marts.all_orders WITH NO DATA;
CREATE VIEW marts.order_count AS SELECT count(*) FROM public.orders;
CREATE FUNCTION marts.sales_in(wanted integer) RETURNS SETOF marts.sales LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT * FROM marts.sales WHERE sales.year = wanted; END;
CREATE FUNCTION marts.fresh(views text[] DEFAULT ARRAY['sales_by_month', 'sales_by_year']) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    view text;
BEGIN
    FOREACH view IN ARRAY views LOOP
        EXECUTE format('REFRESH MATERIALIZED VIEW marts.%I', view);
    END LOOP;
END
$$;
CREATE FUNCTION public.total(integer, VARIADIC more numeric[] DEFAULT '{}') RETURNS numeric LANGUAGE sql IMMUTABLE
    AS 'SELECT $1 + coalesce(sum(m), 0) FROM unnest(more) m';
CREATE PROCEDURE tools.load(INOUT load bigint, source text DEFAULT 'job') LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO staging.loads (source) VALUES (source) RETURNING load_id INTO load;
END
$$;
CREATE FUNCTION core.touch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE DEBUG 'structure changed: %', tg_tag;
END
$$;
CREATE EVENT TRIGGER structure_changed ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') EXECUTE FUNCTION core.touch();
CREATE EVENT TRIGGER structure_dropped ON sql_drop EXECUTE FUNCTION core.touch();
ALTER EVENT TRIGGER structure_dropped DISABLE;
COMMENT ON EVENT TRIGGER structure_changed IS 'seen in the log only';
COMMENT ON MATERIALIZED VIEW marts.sales_by_month IS 'refreshed each hour';
COMMENT ON COLUMN marts.sales_by_month.amount IS 'net';

-- rights -----------------------------------------------------------------------------------------------------------------

ALTER TABLE core.customers OWNER TO world_owner;
ALTER MATERIALIZED VIEW marts.sales_by_month OWNER TO world_owner;
ALTER SERVER sensors OWNER TO world_owner;
ALTER TEXT SEARCH CONFIGURATION tools.reports OWNER TO world_owner;
ALTER OPERATOR tools.- (NONE, tools.money_amount) OWNER TO world_owner;
GRANT USAGE ON SCHEMA marts TO PUBLIC;
GRANT USAGE, CREATE ON SCHEMA core TO world_owner;
GRANT USAGE, CREATE ON SCHEMA tools TO world_owner;
GRANT USAGE ON FOREIGN SERVER archive TO world_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER exports TO world_owner WITH GRANT OPTION;
GRANT SELECT ON ALL TABLES IN SCHEMA marts TO world_reader;
GRANT INSERT ON ALL TABLES IN SCHEMA staging TO world_writer;
REVOKE SELECT ON marts.money FROM world_reader;
GRANT SELECT (country) ON marts.money TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA marts GRANT SELECT ON TABLES TO world_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA staging GRANT INSERT ON TABLES TO world_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA tools REVOKE USAGE ON TYPES FROM PUBLIC;
