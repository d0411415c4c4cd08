"""Which options are secret, and that a masked text shows none of them."""

from __future__ import annotations

import pytest

from reconciler.redaction.masking import MASK, Secret, conceal, is_secret_option, redact_sql


@pytest.mark.parametrize("name", ["password", "sslpassword", "passcode", "passfile", "api_key", "secret_access_key"])
def test_what_is_named_like_a_secret_is_one(name: str) -> None:
    assert is_secret_option(name, "x")


@pytest.mark.parametrize("name", ["host", "user", "use_remote_estimate", "password_required", "sslcert"])
def test_what_tells_nothing_is_none(name: str) -> None:
    assert not is_secret_option(name, "x")


def test_an_option_of_a_mapping_is_secret_unless_it_is_known_not_to_be() -> None:
    assert is_secret_option("pin", "x", of_mapping=True)
    assert not is_secret_option("pin", "x")
    assert not is_secret_option("user", "x", of_mapping=True)


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
