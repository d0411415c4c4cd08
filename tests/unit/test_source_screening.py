from __future__ import annotations

import pytest

from reconciler.source.screening import (
    changes_settings,
    leading_keywords,
    refusal,
    runnable,
    without_frames,
    writes_rows,
)
from reconciler.sqltext.lexer import split


def refused(sql: str) -> str | None:
    (piece,) = split(sql, "a.sql")
    why = refusal(piece)
    return None if why is None else why.reason


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "begin transaction isolation level serializable",
        "START TRANSACTION",
        "COMMIT",
        "commit and chain",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT a",
        "RELEASE a",
        "ROLLBACK TO a",
        "PREPARE TRANSACTION 'a'",
        "COMMIT PREPARED 'a'",
        "SET TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "/* hidden */ Commit -- in a comment",
    ],
)
def test_transaction_control_is_refused(sql: str) -> None:
    reason = refused(sql)
    assert reason is not None
    assert "is transaction control" in reason


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE DATABASE a",
        "ALTER DATABASE a SET x = 1",
        "DROP DATABASE IF EXISTS a",
        "CREATE TABLESPACE a LOCATION '/a'",
        "DROP TABLESPACE a",
        "ALTER SYSTEM SET a = 1",
        "ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b",
        "COMMENT ON DATABASE a IS 'b'",
        "GRANT CONNECT ON DATABASE a TO b",
        "REVOKE ALL ON TABLESPACE a FROM b",
        "GRANT SET ON PARAMETER work_mem TO b",
    ],
)
def test_what_belongs_to_the_cluster_is_refused(sql: str) -> None:
    reason = refused(sql)
    assert reason is not None
    assert "the whole cluster" in reason


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE ROLE a",
        "CREATE USER a",
        "CREATE GROUP a",
        "ALTER ROLE a SET search_path = b",
        "DROP USER a",
        "GRANT a TO b",
        'REVOKE "on" FROM b',
        "COMMENT ON ROLE a IS 'b'",
    ],
)
def test_roles_and_membership_in_them_are_refused(sql: str) -> None:
    reason = refused(sql)
    assert reason is not None
    assert "roles belong to the whole cluster" in reason


@pytest.mark.parametrize(
    "sql",
    [
        "VACUUM",
        "ANALYZE",
        "CLUSTER",
        "CLUSTER VERBOSE a",
        "REINDEX INDEX CONCURRENTLY a",
        "CHECKPOINT",
        "DISCARD ALL",
        "LISTEN a",
        "NOTIFY a",
        "DROP INDEX CONCURRENTLY a",
        "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
        "REASSIGN OWNED BY a TO b",
        "DROP OWNED BY a",
        "COPY a FROM stdin",
        "COPY a TO PROGRAM 'b'",
        "CREATE SUBSCRIPTION a CONNECTION 'b' PUBLICATION c",
        "SET standard_conforming_strings = off",
        "SET SESSION standard_conforming_strings TO 'off'",
        r"\connect a",
        r"\i a.sql",
        r"\.",
    ],
)
def test_what_declares_nothing_or_reaches_outside_is_refused(sql: str) -> None:
    assert refused(sql) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE commit()",
        "ALTER TABLE a ADD b int",
        "CLUSTER a USING b",
        "CLUSTER (VERBOSE) a.b USING c",
        "CLUSTER b ON a",
        "CREATE USER MAPPING FOR a SERVER b",
        "ALTER USER MAPPING FOR a SERVER b OPTIONS (SET c 'd')",
        "DROP USER MAPPING FOR a SERVER b",
        "PREPARE a AS SELECT 1",
        "GRANT SELECT (a, b), UPDATE ON TABLE a TO b",
        "GRANT USAGE ON SCHEMA database TO b",
        "REVOKE GRANT OPTION FOR ALL ON a FROM b",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA a GRANT SELECT ON TABLES TO b",
        "CREATE SUBSCRIPTION a CONNECTION 'b' PUBLICATION c WITH (connect = false, slot_name = 'x')",
        "SET standard_conforming_strings = on",
        "SET search_path = a",
        "ALTER TABLE a DETACH PARTITION b",
        "DROP INDEX a",
        "CREATE ROLEé",
        '"commit"',
        "DO $$ BEGIN COMMIT; END $$",
        "INSERT INTO a VALUES (1)",
    ],
)
def test_the_rest_is_left_to_postgres(sql: str) -> None:
    assert refused(sql) is None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("create index concurrently a on b (c)", "create index a on b (c)"),
        (
            "CREATE UNIQUE INDEX\n CONCURRENTLY IF NOT EXISTS a ON b (c)",
            "CREATE UNIQUE INDEX\n IF NOT EXISTS a ON b (c)",
        ),
        ("create /* x */ index concurrently on b (c)", "create /* x */ index on b (c)"),
        ('create index "concurrently" on b (c)', 'create index "concurrently" on b (c)'),
        ("create table concurrently()", "create table concurrently()"),
        ("refresh materialized view concurrently a", "refresh materialized view concurrently a"),
    ],
)
def test_an_index_is_created_plainly(sql: str, expected: str) -> None:
    assert runnable(sql) == expected


def test_keywords_end_at_the_first_thing_that_is_no_word() -> None:
    assert leading_keywords('create -- x\n table "a" b') == ("CREATE", "TABLE")
    assert leading_keywords("set a.b = 1") == ("SET", "A")
    assert leading_keywords("create tablé x") == ("CREATE", "TABLÉ", "X")
    assert leading_keywords("") == ()


def test_settings_and_rows_are_told_apart() -> None:
    settings = ["SET a = 1", "RESET ALL", "SELECT pg_catalog.set_config('a', '', false)"]
    rows = ["INSERT INTO a VALUES (1)", "TRUNCATE a", "SELECT pg_catalog.setval('a', 1)"]
    other = ["SELECT 1", "CREATE TABLE setval()", "create function set_config() returns int return 1"]
    assert [sql for sql in settings + rows + other if changes_settings(sql)] == settings
    assert [sql for sql in settings + rows + other if writes_rows(sql)] == rows


def unframed(sql: str) -> list[str]:
    return [piece.sql for piece in without_frames(list(split(sql, "a.sql")))]


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN; a; COMMIT",
        "begin work; a; end",
        "/* all */ START TRANSACTION ISOLATION LEVEL SERIALIZABLE; a; commit transaction;",
        "BEGIN; COMMIT; a; BEGIN; END;",
    ],
)
def test_a_transaction_around_statements_is_read_over(sql: str) -> None:
    assert unframed(sql) == ["a"]


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN; a",
        "a; COMMIT",
        "BEGIN; BEGIN; a; COMMIT; COMMIT",
        "BEGIN; a; COMMIT AND CHAIN",
        "BEGIN; a; COMMIT PREPARED 'x'",
        "BEGIN; a; ROLLBACK; BEGIN; a; COMMIT",
        "BEGIN; SAVEPOINT s; a; COMMIT",
        "BEGIN; SET LOCAL search_path = x; a; COMMIT",
        "BEGIN; SELECT set_config('search_path', 'x', true); a; COMMIT",
        "BEGIN; a; PREPARE TRANSACTION 'x'; BEGIN; COMMIT",
    ],
)
def test_what_is_no_plain_pair_stays_to_be_refused(sql: str) -> None:
    assert len(unframed(sql)) == sql.count(";") + 1
