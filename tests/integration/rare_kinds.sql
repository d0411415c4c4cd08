-- One object of each of the rarer kinds, with every attribute it can have, for test_catalog_rare_kinds.py.
-- Statements end at a semicolon at the end of a line; `--@` lines choose by the server's version as in sql/catalog/.
-- The schemas are `app` and `select`; roles `rare_reader` and `rare "owner"` exist.
CREATE SCHEMA app;
CREATE SCHEMA "select";

-- base and shell types, from Postgres's own functions
CREATE TYPE app.shell;
CREATE TYPE app.mood;
CREATE FUNCTION app.mood_in(cstring, oid, integer) RETURNS app.mood LANGUAGE internal IMMUTABLE STRICT AS 'varcharin';
CREATE FUNCTION app.mood_out(app.mood) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varcharout';
CREATE FUNCTION app.mood_receive(internal, oid, integer) RETURNS app.mood LANGUAGE internal IMMUTABLE STRICT AS 'varcharrecv';
CREATE FUNCTION app.mood_send(app.mood) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'varcharsend';
CREATE FUNCTION app.mood_typmod_in(cstring[]) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodin';
CREATE FUNCTION app.mood_typmod_out(integer) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'varchartypmodout';
CREATE FUNCTION app.mood_analyze(internal) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT AS 'array_typanalyze';
CREATE FUNCTION app.mood_subscript(internal) RETURNS internal LANGUAGE internal IMMUTABLE STRICT AS 'jsonb_subscript_handler';
CREATE TYPE app.mood (INPUT = app.mood_in, OUTPUT = app.mood_out, RECEIVE = app.mood_receive, SEND = app.mood_send,
    TYPMOD_IN = app.mood_typmod_in, TYPMOD_OUT = app.mood_typmod_out, ANALYZE = app.mood_analyze,
    SUBSCRIPT = app.mood_subscript, INTERNALLENGTH = VARIABLE, ALIGNMENT = double, STORAGE = extended,
    CATEGORY = 'M', PREFERRED = true, DEFAULT = 'so ''so''', DELIMITER = ';', COLLATABLE = true);
ALTER TYPE app.mood OWNER TO "rare ""owner""";
REVOKE USAGE ON TYPE app.mood FROM PUBLIC;
CREATE TYPE app.pair;
CREATE FUNCTION app.pair_in(cstring) RETURNS app.pair LANGUAGE internal IMMUTABLE STRICT AS 'int8in';
CREATE FUNCTION app.pair_out(app.pair) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int8out';
CREATE TYPE app.pair (INPUT = app.pair_in, OUTPUT = app.pair_out, INTERNALLENGTH = 8, PASSEDBYVALUE, ALIGNMENT = double);
COMMENT ON TYPE app.pair IS 'eight bytes';
CREATE TYPE app.quad;
CREATE FUNCTION app.quad_in(cstring) RETURNS app.quad LANGUAGE internal IMMUTABLE STRICT AS 'point_in';
CREATE FUNCTION app.quad_out(app.quad) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'point_out';
CREATE TYPE app.quad (INPUT = app.quad_in, OUTPUT = app.quad_out, INTERNALLENGTH = 16, ALIGNMENT = double, ELEMENT = float8);

-- collations
CREATE COLLATION app.plain (LOCALE = 'C.UTF-8');
CREATE COLLATION app."Mixed ""case""" (LC_COLLATE = 'C', LC_CTYPE = 'C.UTF-8');
CREATE COLLATION app.loose (PROVIDER = icu, LOCALE = 'und-u-ks-level2', DETERMINISTIC = false);
--@ if server >= 160000
CREATE COLLATION app.ruled (PROVIDER = icu, LOCALE = 'und', RULES = '&a < g');
--@ end
--@ if server >= 170000
CREATE COLLATION app.built_in (PROVIDER = builtin, LOCALE = 'C.UTF-8');
--@ end

-- range types
CREATE FUNCTION app.pair_difference(float8, float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
CREATE TYPE app.span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = app.pair_difference, MULTIRANGE_TYPE_NAME = app.spans);
CREATE TYPE app.textrange AS RANGE (SUBTYPE = text, COLLATION = app.plain, SUBTYPE_OPCLASS = text_pattern_ops);
CREATE TYPE app.whole;
CREATE FUNCTION app.whole_canonical(app.whole) RETURNS app.whole LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE app.whole AS RANGE (SUBTYPE = int4, CANONICAL = app.whole_canonical, SUBTYPE_DIFF = int4range_subdiff);
GRANT USAGE ON TYPE app.span TO rare_reader WITH GRANT OPTION;

-- operators
CREATE FUNCTION app.mood_equal(app.mood, app.mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1::text = $2::text';
CREATE FUNCTION app.mood_negate(app.mood) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR app.=== (FUNCTION = app.mood_equal, LEFTARG = app.mood, RIGHTARG = app.mood, COMMUTATOR = OPERATOR(app.===),
    NEGATOR = OPERATOR(app.!==), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR "select".!! (FUNCTION = app.mood_negate, RIGHTARG = app.mood);
COMMENT ON OPERATOR "select".!! (NONE, app.mood) IS 'a prefix operator';

-- operator classes and families
CREATE FUNCTION app.compare(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT btint4cmp($1, $2)';
CREATE FUNCTION app.compare(integer, bigint) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT btint48cmp($1, $2)';
CREATE OPERATOR FAMILY app.integers USING btree;
CREATE OPERATOR CLASS app.integer_ops FOR TYPE integer USING btree FAMILY app.integers AS
    OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 app.compare(integer, integer);
ALTER OPERATOR FAMILY app.integers USING btree ADD OPERATOR 1 < (integer, bigint), OPERATOR 3 = (integer, bigint),
    FUNCTION 1 (integer, bigint) app.compare(integer, bigint);
CREATE FUNCTION app.pair_hash(app.pair) RETURNS integer LANGUAGE internal IMMUTABLE STRICT AS 'hashint8';
CREATE OPERATOR CLASS app.pair_ops DEFAULT FOR TYPE app.pair USING hash AS FUNCTION 1 app.pair_hash(app.pair);
CREATE OPERATOR CLASS app.near FOR TYPE point USING gist AS
    OPERATOR 1 <<, OPERATOR 15 <-> (point, point) FOR ORDER BY float_ops, STORAGE box,
    FUNCTION 1 gist_point_consistent(internal, point, smallint, oid, internal), FUNCTION 2 gist_box_union(internal, internal),
    FUNCTION 3 gist_point_compress(internal), FUNCTION 5 gist_box_penalty(internal, internal, internal),
    FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal),
    FUNCTION 8 gist_point_distance(internal, point, smallint, oid, internal);
CREATE OPERATOR FAMILY "select"."from" USING hash;

-- casts
CREATE FUNCTION app.mood_to_integer(app.mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (app.mood AS integer) WITH FUNCTION app.mood_to_integer(app.mood) AS ASSIGNMENT;
CREATE CAST (app.pair AS bigint) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (app.mood AS date) WITH INOUT;
COMMENT ON CAST (app.mood AS date) IS 'a mood for a day';

-- conversions
CREATE DEFAULT CONVERSION app.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE CONVERSION app.plain_latin FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1;

-- text search
CREATE TEXT SEARCH PARSER app.words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype,
    HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE app.simple_words (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY app.english (TEMPLATE = snowball, LANGUAGE = 'english', STOPWORDS = 'english');
CREATE TEXT SEARCH DICTIONARY app.plain (TEMPLATE = app.simple_words);
CREATE FUNCTION app.any_init(internal) RETURNS internal LANGUAGE internal STRICT AS 'prsd_lextype';
CREATE TEXT SEARCH TEMPLATE app.any (INIT = app.any_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY app.hostile (TEMPLATE = app.any, zeta = 'it''s, b\c = ''d', "B ""c""" = 1, d = -1.5);
CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = app.words);
ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR asciiword, word WITH app.english, app.plain;
ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR "int" WITH simple;
CREATE TEXT SEARCH CONFIGURATION app.empty (PARSER = pg_catalog."default");

-- statistics
CREATE TABLE app.people (id bigint PRIMARY KEY, first text, last text, "a,b" integer);
CREATE STATISTICS app.people_names (ndistinct, dependencies) ON first, last FROM app.people;
CREATE STATISTICS "select".people_expression ON lower(first), "a,b", last FROM app.people;
CREATE STATISTICS app.people_single ON (id + 1) FROM app.people;
ALTER STATISTICS "select".people_expression SET STATISTICS 500;

-- publications
CREATE TABLE app.orders (id bigint PRIMARY KEY, person bigint, state text);
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert, truncate', publish_via_partition_root = true);
CREATE PUBLICATION nothing WITH (publish = '');
--@ if server >= 150000
CREATE PUBLICATION parts FOR TABLE app.people (last, id), app.orders WHERE (id > 10 AND state IS NULL);
CREATE PUBLICATION whole FOR TABLES IN SCHEMA "select", TABLE app.people;
--@ else
CREATE PUBLICATION parts FOR TABLE app.people, app.orders;
--@ end
--@ if server >= 180000
CREATE PUBLICATION generated FOR TABLE app.orders WITH (publish_generated_columns = stored);
--@ end

-- subscriptions
CREATE SUBSCRIPTION plain CONNECTION 'host=127.0.0.1 dbname=nowhere password=hunter2' PUBLICATION b, a
    WITH (connect = false, streaming = off);
CREATE SUBSCRIPTION "every ""thing""" CONNECTION 'host=127.0.0.1' PUBLICATION a
    WITH (connect = false, slot_name = NONE, binary = true, streaming = on, synchronous_commit = 'local'
--@ if server >= 150000
    , two_phase = true, disable_on_error = true
--@ end
--@ if server >= 160000
    , origin = none, password_required = false, run_as_owner = true
--@ end
--@ if server >= 170000
    , failover = true
--@ end
    );

-- event triggers
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('DROP TABLE', 'CREATE TABLE') EXECUTE FUNCTION app.on_ddl();
CREATE EVENT TRIGGER silent ON sql_drop EXECUTE FUNCTION app.on_ddl();
ALTER EVENT TRIGGER silent DISABLE;

-- languages and transforms
CREATE FUNCTION app.handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION app.inline(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION app.validator(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE "my pl" HANDLER app.handler INLINE app.inline VALIDATOR app.validator;
REVOKE USAGE ON LANGUAGE "my pl" FROM PUBLIC;
GRANT USAGE ON LANGUAGE "my pl" TO rare_reader;
CREATE FUNCTION app.from_sql(internal) RETURNS internal LANGUAGE internal IMMUTABLE AS 'prsd_lextype';
CREATE FUNCTION app.to_sql(internal) RETURNS app.mood LANGUAGE internal IMMUTABLE AS 'prsd_lextype';
CREATE TRANSFORM FOR app.mood LANGUAGE "my pl" (FROM SQL WITH FUNCTION app.from_sql(internal), TO SQL WITH FUNCTION app.to_sql(internal));

-- access methods
CREATE ACCESS METHOD my_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD my_btree TYPE INDEX HANDLER bthandler;

-- foreign data
CREATE FUNCTION app.fdw_handler() RETURNS fdw_handler LANGUAGE c AS '$libdir/postgres_fdw', 'postgres_fdw_handler';
CREATE FUNCTION app.fdw_validator(text[], oid) RETURNS void LANGUAGE c AS '$libdir/file_fdw', 'file_fdw_validator';
CREATE FOREIGN DATA WRAPPER wrapper HANDLER app.fdw_handler;
CREATE FOREIGN DATA WRAPPER validated VALIDATOR app.fdw_validator;
CREATE FOREIGN DATA WRAPPER loose OPTIONS (zeta '1', api_key 'abc', "Alpha" 'x=y');
GRANT USAGE ON FOREIGN DATA WRAPPER wrapper TO rare_reader;
CREATE SERVER far TYPE 'postgres' VERSION '1.0' FOREIGN DATA WRAPPER wrapper
    OPTIONS (host 'elsewhere', url 'postgres://me:hunter2@elsewhere/db');
CREATE SERVER near FOREIGN DATA WRAPPER loose;
GRANT USAGE ON FOREIGN SERVER far TO rare_reader;
CREATE USER MAPPING FOR rare_reader SERVER far OPTIONS (user 'reader', password 'hunter2', password_required 'false');
CREATE USER MAPPING FOR PUBLIC SERVER near;

-- default privileges
ALTER DEFAULT PRIVILEGES FOR ROLE "rare ""owner""" IN SCHEMA app GRANT SELECT ON TABLES TO rare_reader WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE "rare ""owner""" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE "rare ""owner""" GRANT USAGE ON SEQUENCES TO rare_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE "rare ""owner""" GRANT USAGE ON SCHEMAS TO PUBLIC;
--@ if server >= 180000
ALTER DEFAULT PRIVILEGES FOR ROLE "rare ""owner""" GRANT SELECT ON LARGE OBJECTS TO PUBLIC;
--@ end
