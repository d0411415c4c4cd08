"""Operators, collations, text search, statistics, range and base types, default privileges: there and back again.

Each case has two states; a plan turns a database of the one into the other and back, and nothing is left to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from moving import guest, make, move, there_and_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reconciler.embedded import EmbeddedServer

pytestmark = pytest.mark.every_server

_EQUAL = "CREATE FUNCTION app.same(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 = $2';"
_UNEQUAL = "CREATE FUNCTION app.other(integer, integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> $2';"
_BASE = """
    CREATE TYPE app.mood;
    CREATE FUNCTION app.mood_in(cstring) RETURNS app.mood LANGUAGE internal IMMUTABLE STRICT AS 'textin';
    CREATE FUNCTION app.mood_out(app.mood) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
    CREATE TYPE app.mood (INPUT = app.mood_in, OUTPUT = app.mood_out, STORAGE = extended, DEFAULT = 'it''s'{});
"""
_PARSER = "CREATE TEXT SEARCH PARSER app.words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, "
_BTREE = (
    "OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(integer, integer)"
)

CASES: dict[str, tuple[str, str]] = {
    "operators that name each other": (
        "",
        _EQUAL + _UNEQUAL + "CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = integer, RIGHTARG = integer,"
        " COMMUTATOR = OPERATOR(app.===), NEGATOR = OPERATOR(app.!==), RESTRICT = eqsel, HASHES, MERGES);"
        "CREATE OPERATOR app.!== (FUNCTION = app.other, LEFTARG = integer, RIGHTARG = integer,"
        " NEGATOR = OPERATOR(app.===));"
        "COMMENT ON OPERATOR app.=== (integer, integer) IS 'the same';",
    ),
    "the estimator of an operator": (
        _EQUAL + "CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = integer, RIGHTARG = integer);",
        _EQUAL
        + "CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = integer, RIGHTARG = integer, RESTRICT = eqsel);",
    ),
    "a negator and its shell": (
        _EQUAL + "CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = integer, RIGHTARG = integer);",
        _EQUAL + "CREATE OPERATOR app.=== (FUNCTION = app.same, LEFTARG = integer, RIGHTARG = integer,"
        " NEGATOR = OPERATOR(app.!==));",
    ),
    "the storage of a base type, and of its columns": (
        _BASE.format("").replace(", STORAGE = extended", "")
        + "CREATE TABLE app.t (a app.mood, b app.mood[]); CREATE MATERIALIZED VIEW app.m AS SELECT a FROM app.t;",
        _BASE.format("")
        + "CREATE TABLE app.t (a app.mood, b app.mood[]); CREATE MATERIALIZED VIEW app.m AS SELECT a FROM app.t;",
    ),
    "the storage of a base type, which a column had before": (
        _BASE.format("") + "CREATE TABLE app.t (a app.mood); ALTER TABLE app.t ALTER a SET STORAGE external;",
        _BASE.format("").replace("STORAGE = extended", "STORAGE = external") + "CREATE TABLE app.t (a app.mood);",
    ),
    "an operator class in use": (
        "CREATE TABLE app.t (a integer);",
        (
            f"CREATE TABLE app.t (a integer); CREATE OPERATOR CLASS app.ints FOR TYPE integer USING btree AS {_BTREE};"
            "CREATE INDEX t_a ON app.t (a app.ints);"
        ),
    ),
    "the loose members of an operator family": (
        (
            "CREATE OPERATOR FAMILY app.ints USING btree;"
            f"CREATE OPERATOR CLASS app.ints FOR TYPE integer USING btree FAMILY app.ints AS {_BTREE};"
        ),
        (
            "CREATE OPERATOR FAMILY app.ints USING btree;"
            f"CREATE OPERATOR CLASS app.ints FOR TYPE integer USING btree FAMILY app.ints AS {_BTREE};"
            "ALTER OPERATOR FAMILY app.ints USING btree ADD OPERATOR 1 < (integer, bigint),"
            " FUNCTION 1 (integer, bigint) btint48cmp(integer, bigint);"
        ),
    ),
    "a collation under a column": (
        (
            "CREATE COLLATION app.c (LOCALE = 'C'); CREATE TABLE app.t (a text COLLATE app.c);"
            "CREATE INDEX t_a ON app.t (a);"
        ),
        (
            "CREATE COLLATION app.c (LC_COLLATE = 'C', LC_CTYPE = 'POSIX');"
            "CREATE TABLE app.t (a text COLLATE app.c); CREATE INDEX t_a ON app.t (a);"
        ),
    ),
    "a copied collation": ('CREATE COLLATION app.c FROM "C";', "CREATE COLLATION app.c (LOCALE = 'POSIX');"),
    "a conversion": (
        "CREATE CONVERSION app.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;",
        "CREATE DEFAULT CONVERSION app.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;",
    ),
    "text search": (
        (
            "CREATE TEXT SEARCH DICTIONARY app.words (TEMPLATE = snowball, LANGUAGE = english, STOPWORDS = english);"
            "CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = pg_catalog.default);"
            "ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR asciiword, word WITH app.words, simple;"
        ),
        (
            "CREATE TEXT SEARCH DICTIONARY app.words (TEMPLATE = snowball, LANGUAGE = german);"
            "CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = pg_catalog.default);"
            'ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR asciiword, "int" WITH app.words;'
        ),
    ),
    "a text search parser and template": (
        _PARSER + "LEXTYPES = prsd_lextype); CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = app.words);",
        _PARSER + "LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);"
        "CREATE TEXT SEARCH TEMPLATE app.simple (INIT = dsimple_init, LEXIZE = dsimple_lexize);"
        "CREATE TEXT SEARCH DICTIONARY app.simple (TEMPLATE = app.simple);"
        "CREATE TEXT SEARCH CONFIGURATION app.search (PARSER = app.words);"
        "ALTER TEXT SEARCH CONFIGURATION app.search ADD MAPPING FOR word WITH app.simple;",
    ),
    "statistics": (
        (
            "CREATE TABLE app.t (a integer, b integer);"
            "CREATE STATISTICS app.s ON a, b FROM app.t; CREATE STATISTICS app.e ON (a + b) FROM app.t;"
        ),
        (
            "CREATE TABLE app.t (a integer, b integer); CREATE STATISTICS app.s ON a, b FROM app.t;"
            "ALTER STATISTICS app.s SET STATISTICS 50; CREATE STATISTICS app.e (ndistinct) ON a, (b * 2) FROM app.t;"
        ),
    ),
    "a range type under a column": (
        "CREATE TYPE app.span AS RANGE (SUBTYPE = float8); CREATE TABLE app.t (a app.span);",
        (
            "CREATE TYPE app.span AS RANGE (SUBTYPE = numeric, MULTIRANGE_TYPE_NAME = app.spans);"
            "COMMENT ON TYPE app.span IS 'from and to'; CREATE TABLE app.t (a app.span);"
        ),
    ),
    "a range type with a function of its own": (
        "",
        (
            "CREATE TYPE app.whole; CREATE FUNCTION app.whole_canonical(app.whole) RETURNS app.whole"
            " LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';"
            "CREATE TYPE app.whole AS RANGE (SUBTYPE = integer, CANONICAL = app.whole_canonical);"
        ),
    ),
    "a base type": ("", _BASE.format("") + "CREATE TYPE app.shell; CREATE TABLE app.t (a app.mood);"),
    "a base type recreated": (_BASE.format(""), _BASE.format(", CATEGORY = 'M'")),
    "default privileges": (
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT, INSERT ON TABLES TO rare_guest;"
            "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
        ),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO rare_guest WITH GRANT OPTION;"
            "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO rare_guest;"
            "CREATE TABLE app.t (a integer); REVOKE ALL ON app.t FROM rare_guest;"
            "CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE TYPE app.e AS ENUM ('a');"
        ),
    ),
    "new objects under default privileges that stay": (
        (
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO rare_guest;"
            "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT USAGE ON SEQUENCES TO rare_guest;"
            "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
        ),
        (
            "CREATE TABLE app.t (id serial, a integer); CREATE VIEW app.v AS SELECT 1 AS a;"
            "CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';"
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO rare_guest;"
            "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT USAGE ON SEQUENCES TO rare_guest;"
            "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;"
        ),
    ),
}


@pytest.fixture(scope="module")
def _guest(server: EmbeddedServer) -> Iterator[None]:
    with guest(server.url, "rare_guest"):
        yield


@pytest.mark.usefixtures("_guest")
@pytest.mark.parametrize("case", CASES)
def test_there_and_back(case: str, make_database: Callable[[], str]) -> None:
    there, back = there_and_back(*CASES[case], make_database)
    assert there.statements
    assert back.statements


def test_values_survive_a_new_range_type(two_databases: tuple[str, str]) -> None:
    live, goal = two_databases
    for url, subtype in ((live, "float8"), (goal, "numeric")):
        make(
            url,
            f"CREATE TYPE app.span AS RANGE (SUBTYPE = {subtype});"
            "CREATE TABLE app.t (a app.span); INSERT INTO app.t VALUES ('[1,2.5)')",
        )
    move(live, goal)
    with psycopg.connect(live) as connection:
        assert connection.execute("SELECT a::text FROM app.t").fetchone() == ("[1,2.5)",)


@pytest.mark.usefixtures("_guest")
def test_default_privileges_go_before_and_come_after_all_objects(two_databases: tuple[str, str]) -> None:
    live, goal = two_databases
    default = "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT {} TO rare_guest;"
    make(live, default.format("SELECT ON TABLES"))
    make(goal, "CREATE TABLE app.t (a integer);" + default.format("USAGE ON SEQUENCES"))
    statements = [statement.sql for statement in move(live, goal).statements]
    assert statements[0].endswith('REVOKE SELECT ON TABLES FROM "rare_guest"')
    assert statements[-1].endswith('GRANT USAGE ON SEQUENCES TO "rare_guest"')
    assert len(statements) == 3
