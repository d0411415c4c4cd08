"""Which options are secret, and that a masked text shows none of them."""

from __future__ import annotations

import pytest

from reconciler.redaction.masking import MASK, Secret, conceal, is_secret_option
from reconciler.sqltext.redacted_sql import conceal_in, keeps_secret, redact_sql, with_placeholders


@pytest.mark.parametrize("name", ["password", "sslpassword", "passcode", "passfile", "api_key", "secret_access_key"])
def test_what_is_named_like_a_secret_is_one(name: str) -> None:
    assert is_secret_option(name, "x")


@pytest.mark.parametrize("name", ["host", "user", "use_remote_estimate", "password_required", "sslcert"])
def test_what_tells_nothing_is_none(name: str) -> None:
    assert not is_secret_option(name, "x")


def test_an_option_of_a_mapping_is_secret_unless_it_is_known_not_to_be() -> None:
    assert is_secret_option("pin", "x", "user_mapping")
    assert not is_secret_option("pin", "x")
    assert not is_secret_option("user", "x", "user_mapping")


def test_a_password_within_a_url_is_secret_under_any_name() -> None:
    assert is_secret_option("url", "postgres://joe:hunter2@there/db")


def test_a_definition_keeps_all_but_the_secret() -> None:
    text, secrets = conceal("user_mapping", '{"options":["password=hunter2","user=joe"]}')
    assert text == f'{{"options":["password={MASK}","user=joe"]}}'
    assert secrets == {"password": Secret("hunter2")}
    assert "hunter2" not in repr(secrets)


def test_a_connection_keeps_all_but_the_password() -> None:
    text, secrets = conceal("subscription", '{"connection":"host=a password=hunter2"}')
    assert text == f'{{"connection":"host=a password={MASK}"}}'
    assert secrets == {"connection": Secret("host=a password=hunter2")}


def test_a_mask_is_no_secret_that_is_known() -> None:
    assert conceal("foreign_server", f'{{"options":["password={MASK}"]}}')[1] == {}


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE USER MAPPING FOR joe SERVER s OPTIONS (pin 'hunter2')",
        "ALTER USER MAPPING FOR joe SERVER s OPTIONS (SET \"password\" 'hunter''hunter2')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', token E'a\\'hunter2')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2' PUBLICATION p",
    ],
)
def test_no_statement_shows_a_secret(statement: str) -> None:
    assert "hunter2" not in redact_sql(statement)
    assert redact_sql(statement).endswith((")", "PUBLICATION p"))


def test_other_statements_stay_as_they_are() -> None:
    statement = "COMMENT ON COLUMN a.password IS 'hunter2'; SELECT 'x' AS secret"
    assert redact_sql(statement) == statement


# The same secret, in each way in which SQL may write it.
_WRITTEN = (
    "'hunter2'",
    "E'hunter2'",
    "E'hunter\\x32'",
    "E'hunter\\062'",
    "E'hunter\\u0032'",
    "E'\\'hunter2'",
    "U&'hunter2'",
    "U&'hunter\\0032'",
    "U&'hunter\\+000032'",
    "$$hunter2$$",
    "$x$hunter2$x$",
    "'hun'\n'ter2'",
    "'hun' -- and\n  'ter2'",
    "E'hun'\n'ter\\x32'",
    "/* 'x' */ 'hunter2'",
    "/* /* ' */ */ 'hunter2'",
    "\n\t'hunter2'",
)
_CONNECTIONS = (
    "'host=h password=hunter2'",
    "'host=h password=''hunter2'''",
    "'host=h password = hunter2 user=u'",
    "E'host=h password=\\'hunter2\\''",
    "E'host=h pass\\x77ord=hunter2'",
    "U&'host=h pass\\0077ord=hunter2'",
    "$$host=h password='hun ter2 hunter2'$$",
    "'host=h sslpassword=hunter2'",
    "'postgresql://u:hunter2@h/d'",
    "'postgresql://h/d?user=u&password=hunter2'",
    "'host=h pass'\n'word=hunter2'",
)
_BLOCKS = (
    "DO $$BEGIN CREATE USER MAPPING FOR u SERVER s OPTIONS (pin 'hunter2'); END$$",
    "DO $$BEGIN EXECUTE 'ALTER ROLE u PASSWORD ' || quote_literal('hunter2'); END$$",
    "DO $$BEGIN EXECUTE 'ALTER ROLE u PASS' || 'WORD ''hunter2'''; END$$",
    "DO $$BEGIN EXECUTE format('ALTER USER %I WITH %s %L', 'u', 'enc', 'hunter2'); END$$",
    "DO LANGUAGE plpgsql $b$BEGIN ALTER SUBSCRIPTION s CONNECTION 'password=hunter2'; END$b$",
    "DO 'BEGIN ALTER ROLE u PASSWORD ''hunter2''; END'",
    "DO E'BEGIN ALTER ROLE u PASS\\x57ORD \\'hunter2\\'; END'",
)


@pytest.mark.parametrize(
    "statement",
    [
        *(f"ALTER ROLE u ENCRYPTED PASSWORD {each} VALID UNTIL 'infinity'" for each in _WRITTEN),
        *(f"CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', pin{each})" for each in _WRITTEN[:2]),
        *(f"CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS ({name} 'hunter2')" for name in ("auth", "key", "bearer")),
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (sa_key 'hunter2', conn_string 'hunter2')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (U&\"pass\\0077ord\" 'hunter2')",
        *(f"CREATE SUBSCRIPTION s CONNECTION {each} PUBLICATION p" for each in _CONNECTIONS),
        *(f"SELECT dblink_connect({each})" for each in _CONNECTIONS),
        *_BLOCKS,
    ],
)
def test_no_way_to_write_a_secret_shows_it(statement: str) -> None:
    shown = redact_sql(statement)
    assert "hunter2" not in shown
    assert "ter2" not in shown
    assert redact_sql(shown) == shown


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (password text DEFAULT 'x', token text CHECK (token = 'a'))",
        "CREATE INDEX ON t (key) WHERE key = 'a'",
        "INSERT INTO t (password) VALUES ('x')",
        "DO $$BEGIN PERFORM 1; EXECUTE 'select 1'; END$$",
        "ALTER FOREIGN TABLE t ALTER COLUMN c OPTIONS (key 'true')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'h', sslmode 'require', primary_key_column 'id')",
    ],
)
def test_what_is_no_secret_is_recorded_as_it_is(statement: str) -> None:
    assert redact_sql(statement) == statement


def test_a_block_that_is_not_kept_fails_where_it_is_run_again() -> None:
    assert "RAISE EXCEPTION" in redact_sql(_BLOCKS[0])


def test_a_routine_is_kept_and_found() -> None:
    routine = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN ALTER ROLE u PASSWORD 'hunter2'; END$$"
    assert redact_sql(routine) == routine
    assert keeps_secret(routine)
    assert not keeps_secret("CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$SELECT 'password'$$")


def test_what_is_run_by_hand_does_not_make_the_mask_a_password() -> None:
    text, count = with_placeholders(f"CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password '{MASK}')")
    assert text == "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password :'secret_1')"
    assert count == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN CREATE ROLE bob LOGIN CREATEROLE PASSWORD 's3cretpw'; END $$",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE %I LOGIN CREATEROLE PASSWORD %L', 'bob', 's3cretpw'); END $$",
        "DO 'BEGIN EXECUTE ''CREATE ROLE bob CREATEROLE PASSWORD ''''s3cretpw''''''; END'",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE bob CREATEROLE PASSWORD ' || quote_literal($x$s3cretpw$x$); END $$",
    ],
)
def test_a_message_about_a_block_hides_the_secret_and_no_common_word(statement: str) -> None:
    for message in (
        "permission denied to create role: only roles with the CREATEROLE attribute may CREATE ROLE",
        'role "bob" already exists',
        "role cannot LOGIN with a PASSWORD",
    ):
        assert conceal_in(message, statement) == message
    for message in ('syntax error at or near "s3cretpw"', "CREATE ROLE bob PASSWORD 's3cretpw'"):
        assert "s3cretpw" not in conceal_in(message, statement)
        assert "bob" not in message or "ROLE bob" in conceal_in(message, statement)
