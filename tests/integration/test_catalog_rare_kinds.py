"""The rarer kinds of objects are read from the catalogs whole, canonical, and without their secrets.

rare_kinds.sql makes one object of each kind with every attribute it can have.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from reconciler.catalog.snapshot_reader import QUERIES, for_server, managed_schemas, read_mark, read_snapshot
from reconciler.db import connections
from reconciler.db.sqlfiles import read_sql
from reconciler.diff.diff import diff
from reconciler.model.facts import FactId, canonical_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import LiteralString

    from reconciler.embedded import EmbeddedServer
    from reconciler.model.snapshot import Snapshot

pytestmark = pytest.mark.every_server

OBJECTS = (Path(__file__).parent / "rare_kinds.sql").read_text(encoding="utf-8")
SCHEMAS = ("app", "select")
KINDS = (Path(__file__).parents[2] / "docs" / "kinds.md").read_text(encoding="utf-8")
ROLES = ("rare_reader", "rare_stranger", 'rare "owner"')

# What a schema has every day, for the same.
ORDINARY = """
CREATE TYPE app.state AS ENUM ('open', 'shut');
CREATE DOMAIN app.mail AS text DEFAULT '@' CHECK (VALUE LIKE '%@%');
CREATE TYPE app.place AS (street text, town text);
CREATE TABLE app.things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail app.mail, n int DEFAULT 1 CHECK (n > 0),
    twice int GENERATED ALWAYS AS (n * 2) STORED, at date, serial serial) WITH (fillfactor = 70);
CREATE INDEX ON app.things (n, lower(mail)) WHERE n > 1;
ALTER TABLE app.things ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON app.things USING (n > 0);
CREATE FUNCTION app.on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE PROCEDURE app.work() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE app.total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER changed BEFORE UPDATE ON app.things FOR EACH ROW EXECUTE FUNCTION app.on_change();
CREATE RULE logged AS ON DELETE TO app.things DO ALSO NOTIFY things;
CREATE TABLE app.parted (a int REFERENCES app.things, b int) PARTITION BY LIST (b);
CREATE TABLE app.part PARTITION OF app.parted FOR VALUES IN (1);
CREATE INDEX ON app.parted (a);
CREATE TRIGGER changed BEFORE UPDATE ON app.parted FOR EACH ROW EXECUTE FUNCTION app.on_change();
ALTER TABLE app.part DISABLE TRIGGER changed;
CREATE VIEW app.seen AS SELECT id, mail FROM app.things;
CREATE MATERIALIZED VIEW app.counted AS SELECT count(*) FROM app.things;
CREATE INDEX ON app.counted (count);
CREATE SEQUENCE app.numbers INCREMENT 2;
CREATE FOREIGN TABLE app.away (a int) SERVER near OPTIONS (b 'c');
CREATE EXTENSION hstore SCHEMA app;
GRANT SELECT (mail), INSERT ON app.things TO rare_reader;
COMMENT ON COLUMN app.things.n IS 'a number';
COMMENT ON CONSTRAINT things_pkey ON app.things IS 'the key';
"""
# Catalogs whose rows need not change for a mark to change, or cannot: why.
NOT_BY_ROW = {
    "pg_aggregate": "only CREATE OR REPLACE writes it, and pg_proc with it",
    "pg_database": "only names the one at hand; its settings are in pg_db_role_setting",
    "pg_depend": "what changes it alone is in tests/acceptance/test_marks.py",
    "pg_roles": "a view: the mark has the names themselves",
    "pg_shseclabel": "shared: the mark has the labels themselves",
    "pg_subscription": "shared: the mark has the attributes themselves, see tests/acceptance/test_marks.py",
    "pg_tablespace": "belongs to the server",
    "pg_user_mappings": "a view: the mark has the options themselves, see tests/acceptance/test_marks.py",
}
# TOAST tables, whose options are written with their table's row, and system columns.
ROWS_READ: dict[str, LiteralString] = {
    "pg_attribute": "attnum > 0 AND attrelid::regclass::text NOT LIKE 'pg_toast.%'",
    "pg_class": "relnamespace <> 'pg_toast'::regnamespace",
    "pg_index": "indrelid::regclass::text NOT LIKE 'pg_toast.%'",
}
MOST_ROWS = 25  # of one catalog

# (kind, name): definition. `since` stands for the first server version that has the object, where that is not 14.
EXPECTED: dict[tuple[str, ...], dict[str, object]] = {
    ("access_method", "my_btree"): {"handler": "bthandler", "type": "INDEX"},
    ("access_method", "my_heap"): {"handler": "heap_tableam_handler", "type": "TABLE"},
    ("base_type", "app", "shell"): {"shell": True},
    ("base_type", "app", "mood"): {
        "alignment": "double",
        "analyze": "app.mood_analyze",
        "category": "M",
        "collatable": True,
        "default": "so 'so'",
        "delimiter": ";",
        "input": "app.mood_in",
        "output": "app.mood_out",
        "preferred": True,
        "receive": "app.mood_receive",
        "send": "app.mood_send",
        "storage": "extended",
        "subscript": "app.mood_subscript",
        "typmod_in": "app.mood_typmod_in",
        "typmod_out": "app.mood_typmod_out",
    },
    ("base_type", "app", "pair"): {
        "alignment": "double",
        "input": "app.pair_in",
        "internal_length": 8,
        "output": "app.pair_out",
        "passed_by_value": True,
    },
    ("base_type", "app", "quad"): {
        "alignment": "double",
        "element": "double precision",
        "input": "app.quad_in",
        "internal_length": 16,
        "output": "app.quad_out",
        "subscript": "raw_array_subscript_handler",
    },
    ("cast", "app.mood", "date"): {"method": "inout"},
    ("cast", "app.mood", "integer"): {"context": "assignment", "function": "app.mood_to_integer(app.mood)"},
    ("cast", "app.pair", "bigint"): {"context": "implicit", "method": "binary"},
    ("collation", "app", "plain"): {"locale": "C.UTF-8"},
    ("collation", "app", 'Mixed "case"'): {"lc_collate": "C", "lc_ctype": "C.UTF-8"},
    ("collation", "app", "loose"): {"locale": "und-u-ks-level2", "nondeterministic": True, "provider": "icu"},
    ("collation", "app", "ruled"): {"locale": "und", "provider": "icu", "rules": "&a < g", "since": 160000},
    ("collation", "app", "built_in"): {"locale": "C.UTF-8", "provider": "builtin", "since": 170000},
    ("conversion", "app", "latin"): {
        "default": True,
        "function": "iso8859_1_to_utf8",
        "source": "LATIN1",
        "target": "UTF8",
    },
    ("conversion", "app", "plain_latin"): {"function": "utf8_to_iso8859_1", "source": "UTF8", "target": "LATIN1"},
    ("event_trigger", "silent"): {"enabled": "DISABLE", "event": "sql_drop", "function": "app.on_ddl"},
    ("event_trigger", "watch"): {
        "event": "ddl_command_end",
        "function": "app.on_ddl",
        "tags": ["DROP TABLE", "CREATE TABLE"],
    },
    ("foreign_data_wrapper", "validated"): {"validator": "app.fdw_validator"},
    ("foreign_data_wrapper", "wrapper"): {"handler": "app.fdw_handler"},
    ("foreign_server", "near"): {"wrapper": "loose"},
    ("language", "my pl"): {
        "handler": "app.handler",
        "inline": "app.inline",
        "trusted": True,
        "validator": "app.validator",
    },
    ("operator", "app", "!==", "app.mood", "app.mood"): {"negator": "app.===", "shell": True},
    ("operator", "app", "===", "app.mood", "app.mood"): {
        "commutator": "app.===",
        "function": "app.mood_equal",
        "hashes": True,
        "join": "eqjoinsel",
        "merges": True,
        "negator": "app.!==",
        "restrict": "eqsel",
    },
    ("operator", "select", "!!", "", "app.mood"): {"function": "app.mood_negate"},
    ("operator_class", "app", "integer_ops", "btree"): {
        "family": "app.integers",
        "functions": [{"function": "app.compare(integer,integer)", "left": "integer", "number": 1, "right": "integer"}],
        "operators": [
            {"number": 1, "operator": "<(integer,integer)"},
            {"number": 2, "operator": "<=(integer,integer)"},
            {"number": 3, "operator": "=(integer,integer)"},
            {"number": 4, "operator": ">=(integer,integer)"},
            {"number": 5, "operator": ">(integer,integer)"},
        ],
        "type": "integer",
    },
    ("operator_class", "app", "pair_ops", "hash"): {
        "default": True,
        "family": "app.pair_ops",
        "functions": [{"function": "app.pair_hash(app.pair)", "left": "app.pair", "number": 1, "right": "app.pair"}],
        "type": "app.pair",
    },
    ("operator_family", "app", "integers", "btree"): {
        "functions": [{"function": "app.compare(integer,bigint)", "left": "integer", "number": 1, "right": "bigint"}],
        "operators": [
            {"number": 1, "operator": "<(integer,bigint)"},
            {"number": 3, "operator": "=(integer,bigint)"},
        ],
    },
    ("operator_family", "app", "near", "gist"): {
        "functions": [
            {"function": "gist_point_compress(internal)", "left": "point", "number": 3, "right": "point"},
            {
                "function": "gist_point_distance(internal,point,smallint,oid,internal)",
                "left": "point",
                "number": 8,
                "right": "point",
            },
        ],
        "operators": [
            {"number": 1, "operator": "<<(point,point)"},
            {"number": 15, "operator": "<->(point,point)", "order_by": "pg_catalog.float_ops"},
        ],
    },
    ("operator_family", "app", "pair_ops", "hash"): {},
    ("operator_family", "select", "from", "hash"): {},
    ("publication", "everything"): {
        "all_tables": True,
        "publish": ["insert", "truncate"],
        "publish_via_partition_root": True,
    },
    ("publication", "nothing"): {"publish": []},
    ("publication", "parts"): {},
    ("publication", "whole"): {"since": 150000},
    ("publication", "generated"): {"publish_generated_columns": "stored", "since": 180000},
    ("publication_schema", "whole", "select"): {"since": 150000},
    ("publication_table", "whole", "app", "people"): {"since": 150000},
    ("publication_table", "parts", "app", "people"): {"columns": ["id", "last"], "since": 150000},
    ("publication_table", "parts", "app", "orders"): {"where": "((id > 10) AND (state IS NULL))", "since": 150000},
    ("range_type", "app", "span"): {
        "multirange": "app.spans",
        "subtype": "double precision",
        "subtype_diff": "app.pair_difference",
    },
    ("range_type", "app", "textrange"): {
        "collation": "app.plain",
        "multirange": "app.textmultirange",
        "operator_class": "pg_catalog.text_pattern_ops",
        "subtype": "text",
    },
    ("range_type", "app", "whole"): {
        "canonical": "app.whole_canonical",
        "multirange": "app.whole_multirange",
        "subtype": "integer",
        "subtype_diff": "int4range_subdiff",
    },
    ("statistics", "app", "people_names"): {
        "columns": ["first", "last"],
        "kinds": ["dependencies", "ndistinct"],
        "table": "app.people",
    },
    ("statistics", "app", "people_single"): {"expressions": ["(id + 1)"], "table": "app.people"},
    ("statistics", "select", "people_expression"): {
        "columns": ["a,b", "last"],
        "expressions": ["lower(first)"],
        "table": "app.people",
        "target": 500,
    },
    ("text_search_configuration", "app", "empty"): {"parser": 'pg_catalog."default"'},
    ("text_search_configuration", "app", "search"): {
        "mappings": [
            {"dictionaries": ["app.english", "app.plain"], "token": "asciiword"},
            {"dictionaries": ["pg_catalog.simple"], "token": "int"},
            {"dictionaries": ["app.english", "app.plain"], "token": "word"},
        ],
        "parser": "app.words",
    },
    ("text_search_dictionary", "app", "english"): {
        "options": ["language = 'english'", "stopwords = 'english'"],
        "template": "pg_catalog.snowball",
    },
    ("text_search_dictionary", "app", "hostile"): {
        "options": [r"zeta = E'it''s, b\\c = ''d'", '"B ""c""" = 1', "d = -1.5"],
        "template": 'app."any"',
    },
    ("text_search_dictionary", "app", "plain"): {"template": "app.simple_words"},
    ("text_search_parser", "app", "words"): {
        "end": "prsd_end",
        "get_token": "prsd_nexttoken",
        "headline": "prsd_headline",
        "lex_types": "prsd_lextype",
        "start": "prsd_start",
    },
    ("text_search_template", "app", "simple_words"): {"init": "dsimple_init", "lexize": "dsimple_lexize"},
    ("transform", "app.mood", "my pl"): {"from_sql": "app.from_sql(internal)", "to_sql": "app.to_sql(internal)"},
    ("user_mapping", "near", ""): {},
    ("default_privileges", 'rare "owner"', "", "S"): {},
    ("default_privileges", 'rare "owner"', "", "f"): {},
    ("default_privileges", 'rare "owner"', "", "n"): {},
    ("default_privileges", 'rare "owner"', "app", "r"): {},
    ("default_privileges", 'rare "owner"', "", "L"): {"since": 180000},
    ("database_setting", "search_path"): {"value": 'app, "$user"'},
    ("database_setting", "app.note"): {"value": "a=b"},
    ("role_setting", "rare_reader", "work_mem"): {"value": "8MB"},
    ("owner", "base_type", "app", "mood"): {"role": 'rare "owner"'},
    ("comment", "operator", "select", "!!", "", "app.mood"): {"text": "a prefix operator"},
    ("comment", "cast", "app.mood", "date"): {"text": "a mood for a day"},
    ("privileges", "base_type", "app", "mood", ""): {"privileges": []},
    ("privileges", "range_type", "app", "span", "rare_reader"): {"privileges": ["USAGE WITH GRANT OPTION"]},
    ("privileges", "language", "my pl", ""): {"privileges": []},
    ("privileges", "foreign_server", "far", "rare_reader"): {"privileges": ["USAGE"]},
    ("privileges", "foreign_data_wrapper", "wrapper", "rare_reader"): {"privileges": ["USAGE"]},
    ("privileges", "default_privileges", 'rare "owner"', "", "f", ""): {"privileges": []},
    ("privileges", "default_privileges", 'rare "owner"', "", "S", "rare_reader"): {"privileges": ["USAGE"]},
    ("privileges", "default_privileges", 'rare "owner"', "app", "r", "rare_reader"): {
        "privileges": ["SELECT WITH GRANT OPTION"]
    },
}


@pytest.fixture
def roles(server: EmbeddedServer) -> Iterator[None]:
    """Roles that outlive the database of the test, in which they own things."""
    with psycopg.connect(server.url, autocommit=True) as admin:
        for role in ROLES:
            admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
        yield
        for role in ROLES:
            admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.fixture
def rare(roles: None, make_database: Callable[[], str]) -> Iterator[psycopg.Connection]:
    """A connection to a database with all of rare_kinds.sql and some settings, its search_path pinned."""
    url = make_database()
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL('ALTER DATABASE {} SET search_path = app, "$user"').format(name))
        connection.execute(sql.SQL("ALTER DATABASE {} SET app.note = 'a=b'").format(name))
        connection.execute(sql.SQL("ALTER ROLE rare_reader IN DATABASE {} SET work_mem = '8MB'").format(name))
        for statement in _statements(connection):
            connection.execute(statement)
    with connections.connect(url, autocommit=True) as connection:
        yield connection
        # A database with subscriptions cannot be dropped; without slots, they need no other server.
        connection.execute("RESET SESSION AUTHORIZATION")
        for (subscription,) in connection.execute("SELECT subname FROM pg_subscription").fetchall():
            name = sql.Identifier(subscription)
            connection.execute(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(name))
            connection.execute(sql.SQL("DROP SUBSCRIPTION {}").format(name))
    with psycopg.connect(url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(role)))
            connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))


def _statements(connection: psycopg.Connection) -> Iterator[bytes]:
    """The statements of rare_kinds.sql that this server can run."""
    text = for_server(OBJECTS, connection.info.server_version)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    for statement in re.split(r";\n", text):
        if statement.strip() and ("PROVIDER = icu" not in statement or _has_icu(connection)):
            yield statement.encode()


def _has_icu(connection: psycopg.Connection) -> bool:
    # A server that was built without ICU lists two of ICU's collations all the same.
    return connection.execute("SELECT FROM pg_collation WHERE collname = 'en-x-icu'").fetchone() is not None


def _expected(connection: psycopg.Connection) -> dict[FactId, dict[str, object]]:
    has_icu = _has_icu(connection)
    return {
        FactId(kind, tuple(name)): {key: value for key, value in definition.items() if key != "since"}
        for (kind, *name), definition in EXPECTED.items()
        if connection.info.server_version >= definition.get("since", 0)  # type: ignore[operator]
        and (has_icu or definition.get("provider") != "icu")
    }


def _read(connection: psycopg.Connection) -> Snapshot:
    with connection.transaction():
        return read_snapshot(connection, SCHEMAS)


def test_each_kind_is_read_with_all_its_attributes(rare: psycopg.Connection) -> None:
    snapshot, expected = _read(rare), _expected(rare)
    assert {fact: snapshot.find(fact) for fact in expected} == expected


def test_nothing_of_the_rarer_kinds_is_read_that_was_not_made(rare: psycopg.Connection) -> None:
    expected = _expected(rare)
    with_secrets = {"subscription", "user_mapping", "foreign_server", "foreign_data_wrapper"}
    kinds = {fact.kind for fact in expected} - {"owner", "comment", "privileges", "publication_table"} - with_secrets
    also_made = {FactId("text_search_template", ("app", "any")), FactId("operator_class", ("app", "near", "gist"))}
    assert {fact for fact in _read(rare) if fact.kind in kinds} - also_made == {
        fact for fact in expected if fact.kind in kinds
    }


def test_definitions_are_canonical_json(rare: psycopg.Connection) -> None:
    for definition in _read(rare).facts.values():
        assert canonical_json(json.loads(definition)) == definition


def test_subscriptions_are_read_in_words_that_do_not_depend_on_the_version(rare: psycopg.Connection) -> None:
    snapshot, version = _read(rare), rare.info.server_version
    plain = snapshot.definition(FactId("subscription", ("plain",)))
    assert "password=********" in str(plain.pop("connection"))
    assert plain == {"disabled": True, "publications": ["a", "b"]}
    full = snapshot.definition(FactId("subscription", ('every "thing"',)))
    del full["connection"]
    since_15 = {"disable_on_error": True, "two_phase": True} if version >= 150000 else {}
    since_16 = {"origin": "none", "password_not_required": True, "run_as_owner": True} if version >= 160000 else {}
    since_17 = {"failover": True} if version >= 170000 else {}
    assert full == {
        "binary": True,
        "disabled": True,
        "no_slot": True,
        "publications": ["a"],
        "streaming": "on",
        "synchronous_commit": "local",
        **since_15,
        **since_16,
        **since_17,
    }


def test_no_password_is_in_the_snapshot_but_a_changed_one_shows(rare: psycopg.Connection) -> None:
    before = _read(rare)
    assert "hunter2" not in before.to_json()
    options = before.definition(FactId("user_mapping", ("far", "rare_reader")))["options"]
    assert isinstance(options, list)
    assert options == ["user=reader", "password=********", "password_required=false"]
    rare.execute("ALTER USER MAPPING FOR rare_reader SERVER far OPTIONS (SET password 'hunter3')")
    rare.execute("ALTER SERVER far OPTIONS (SET url 'postgres://me:hunter3@elsewhere/db')")
    rare.execute("ALTER SUBSCRIPTION plain CONNECTION 'host=127.0.0.1 dbname=nowhere password=hunter3'")
    after = _read(rare)
    assert "hunter3" not in after.to_json()
    assert after.fingerprint == before.fingerprint
    assert {difference.fact for difference in diff(before, after)} == {
        FactId("user_mapping", ("far", "rare_reader")),
        FactId("foreign_server", ("far",)),
        FactId("subscription", ("plain",)),
    }


def test_a_role_that_may_read_no_secret_reads_all_but_the_secrets(rare: psycopg.Connection) -> None:
    before = _read(rare)
    rare.execute("SET SESSION AUTHORIZATION rare_stranger")
    after = _read(rare)
    assert after.facts.keys() == before.facts.keys()
    changed = {fact for fact in after if after.facts[fact] != before.facts[fact]}
    assert changed == {
        FactId("user_mapping", ("far", "rare_reader")),
        FactId("user_mapping", ("near", "")),
        FactId("subscription", ("plain",)),
        FactId("subscription", ('every "thing"',)),
    }
    for fact in changed:
        hidden = {key: value for key, value in before.definition(fact).items() if key not in ("connection", "options")}
        assert after.definition(fact) == {**hidden, "hidden": True}


def test_the_order_in_which_columns_and_kinds_were_given_is_no_difference(rare: psycopg.Connection) -> None:
    before = _read(rare)
    rare.execute("ALTER TABLE app.people RENAME first TO once")
    rare.execute("ALTER TABLE app.people ADD first text")
    rare.execute("DROP STATISTICS app.people_names")
    rare.execute("CREATE STATISTICS app.people_names (dependencies, ndistinct) ON last, first FROM app.people")
    after = _read(rare)
    names = FactId("statistics", ("app", "people_names"))
    assert after.facts[names] == before.facts[names]


def test_the_order_of_a_dictionarys_options_is_read_as_declared(rare: psycopg.Connection) -> None:
    english = FactId("text_search_dictionary", ("app", "english"))
    before = _read(rare).find(english)
    rare.execute("ALTER TEXT SEARCH DICTIONARY app.english (LANGUAGE = 'english')")  # stands last from now on
    after = _read(rare).find(english)
    assert before is not None
    assert after == {**before, "options": ["stopwords = 'english'", "language = 'english'"]}
    assert before["options"] == ["language = 'english'", "stopwords = 'english'"]


def test_members_of_extensions_are_left_out(database: str) -> None:
    with connections.connect(database) as connection:
        connection.execute("CREATE SCHEMA app")
        for extension in ("hstore", "postgres_fdw", "unaccent", "bloom"):
            connection.execute(sql.SQL("CREATE EXTENSION {} SCHEMA app").format(sql.Identifier(extension)))
        kinds = {fact.kind for fact in _read(connection)}
    assert kinds <= {"schema", "extension", "owner", "comment"}


def test_a_security_label_is_read_with_its_provider(rare: psycopg.Connection) -> None:
    # No provider ships with Postgres, so the label is written where a provider's would stand.
    try:
        rare.execute("SET allow_system_table_mods = on")
        rare.execute(
            "INSERT INTO pg_seclabel SELECT oid, 'pg_collation'::regclass, 0, 'made up', 'top \"secret\"'"
            " FROM pg_collation WHERE collname = 'plain' AND collnamespace = 'app'::regnamespace"
        )
        rare.execute(
            "INSERT INTO pg_shseclabel SELECT oid, 'pg_subscription'::regclass, 'made up', 'shared'"
            " FROM pg_subscription WHERE subname = 'plain'"
        )
        snapshot = _read(rare)
    finally:
        rare.execute("DELETE FROM pg_seclabel")
        rare.execute("DELETE FROM pg_shseclabel")
    assert snapshot.find(FactId("security_label", ("collation", "app", "plain", "made up"))) == {
        "label": 'top "secret"'
    }
    assert snapshot.find(FactId("security_label", ("subscription", "plain", "made up"))) == {"label": "shared"}


@pytest.mark.two_servers
def test_a_mark_sees_every_row_that_the_readers_of_each_kind_take_facts_from(rare: psycopg.Connection) -> None:
    rare.execute(ORDINARY)
    unseen: list[str] = []
    tried: set[str] = set()
    with rare.transaction():
        schemas = managed_schemas(rare)
        kinds, mark = {fact.kind for fact in read_snapshot(rare, schemas)}, read_mark(rare, schemas)
    documented = set(re.findall(r"^\| ([a-z_]+) \| yes", KINDS, re.MULTILINE))
    assert documented - kinds == {"security_label"} | ({"publication_schema"} if _version(rare) < 15 else set())
    for catalog in _catalogs_read(rare):
        rows = rare.execute(
            sql.SQL(
                "SELECT t.ctid::text, t::text, (SELECT attname::text FROM pg_attribute"
                " WHERE attrelid = t.tableoid AND attnum = 1) FROM pg_catalog.{} AS t WHERE age(xmin) <"
                " (SELECT age(xmin) FROM pg_database WHERE datname = current_database()) AND {} ORDER BY t.ctid"
            ).format(sql.Identifier(catalog), sql.SQL(ROWS_READ.get(catalog, "true")))
        ).fetchall()
        for place, text, column in rows[:: 1 + len(rows) // MOST_ROWS]:
            tried.add(catalog)
            with rare.transaction(force_rollback=True):
                rare.execute(
                    sql.SQL("UPDATE pg_catalog.{} SET {column} = {column} WHERE ctid = {}::tid").format(
                        sql.Identifier(catalog), place, column=sql.Identifier(column)
                    )
                )
                if read_mark(rare, schemas) == mark:
                    unseen.append(f"{catalog}: {text}")
    assert not unseen, "\n".join(unseen)
    assert set(_catalogs_read(rare)) - tried == {"pg_seclabel"}


def _version(connection: psycopg.Connection) -> int:
    return connection.info.server_version // 10000


def _catalogs_read(connection: psycopg.Connection) -> list[str]:
    """The catalogs whose rows the readers of all kinds take facts from, as this server has them."""
    found: set[str] = set()
    for kind in QUERIES:
        text = for_server(read_sql(f"catalog/{kind}.sql"), connection.info.server_version)
        text = re.sub(r"--[^@].*", "", text)
        found |= set(re.findall(r"\b(?:from|join) (?:pg_catalog\.)?(pg_[a-z_]+)\b(?!\()", text))
    return sorted(found - NOT_BY_ROW.keys())
