"""Passwords stay out of what is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.db.connections import connect
from reconciler.errors import ConnectError
from reconciler.redaction.dsn import libpq_dsn, redact, redact_unread


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        # URLs
        ("postgresql://joe:********@db:5432/app", "postgresql://joe:secret@db:5432/app"),
        ("postgresql+psycopg://joe:********@db/app", "postgresql+psycopg://joe:secret@db/app"),
        ("postgres://:********@db", "postgres://:secret@db"),
        ("postgresql://joe:********@/app?host=/run", "postgresql://joe:secret@/app?host=/run"),
        ("postgresql://joe:********@a:1,b:2/app", "postgresql://joe:secret@a:1,b:2/app"),
        (
            "postgresql://db/app?user=joe&password=********&sslmode=require",
            "postgresql://db/app?user=joe&password=secret&sslmode=require",
        ),
        ("postgresql://joe:********@db/app?sslpassword=********", "postgresql://joe:secret@db/app?sslpassword=secret"),
        # passwords that were not percent-encoded
        ("postgresql://joe:********@db/app", "postgresql://joe:se@cret@db/app"),
        ("postgresql://joe:********@db/app", "postgresql://joe:se/secret@db/app"),
        ("postgresql://joe:********@db/app", "postgresql://joe:se?secret@db/app"),
        ("postgresql://joe:********@db/app", "postgresql://joe:se secret@db/app"),
        ("postgresql://joe:********@db/app", "postgresql://joe:se'\"secret@db/app"),
        ("postgresql://joe:********@db/app", "postgresql://joe:se@cr?et@db/app"),
        ("postgresql://joe:********@db/app?options=a@b", "postgresql://joe:secret@db/app?options=a@b"),
        ("postgresql://joe:********", "postgresql://joe:se#cret"),
        # key=value strings
        ("host=db password=******** user=joe", "host=db password=secret user=joe"),
        ("host=db password = ******** user=joe", "host=db password = secret user=joe"),
        ("host=db password=******** user=joe", "host=db password='se cr\\'et' user=joe"),
        ("host=db password=******** user=joe", "host=db password=se\\ cret user=joe"),
        ("host=db password=********", "host=db password='secret user=joe"),
        ("CONNECTION 'host=db password=********'", "CONNECTION 'host=db password=''secret'''"),
        ("PGPASSWORD=******** psql", "PGPASSWORD=secret psql"),
        # inside other text
        (
            'could not run "pg_dump postgresql://joe:********@db/app": no such file',
            'could not run "pg_dump postgresql://joe:secret@db/app": no such file',
        ),
        (
            "from postgresql://a:********@b to postgresql://c:********@d",
            "from postgresql://a:x@b to postgresql://c:y@d",
        ),
    ],
)
def test_passwords_are_hidden(shown: str, text: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postgresql://db/app",
        "postgresql://joe@db:5432/app",
        "postgresql://db:5432/app",
        "postgresql://[::1]:5432/app",
        "postgresql://a:1,b:2/app",
        "postgresql:///app?host=/run/postgresql",
        "host=db user=joe dbname=app",
        "see https://www.postgresql.org/docs/current/libpq.html",
        'column "password" does not exist',
    ],
)
def test_what_holds_no_password_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=3))
def test_no_password_in_a_url_is_ever_shown(password: str) -> None:
    hidden = redact(f"postgresql://joe:{password}@db.example/app")
    assert hidden == "postgresql://joe:********@db.example/app"


@pytest.mark.parametrize(
    ("dsn", "libpq"),
    [
        ("postgresql+psycopg://joe@db/app", "postgresql://joe@db/app"),
        ("postgresql+asyncpg://joe@db/app", "postgresql://joe@db/app"),
        ("postgres+psycopg2://db", "postgres://db"),
        (" postgresql://db/a+b://c ", "postgresql://db/a+b://c"),
        ("host=db user=joe", "host=db user=joe"),
        ("", ""),
    ],
)
def test_a_driver_in_the_url_is_taken_off(dsn: str, libpq: str) -> None:
    assert libpq_dsn(dsn) == libpq


@pytest.mark.parametrize(
    ("shown", "dsn"),
    [
        ("host=db passwrd=******** user=joe", "host=db passwrd=se cret user=joe"),
        ("host=db pw=********", "host=db pw='secret"),
        ("********", "secret"),
        ("postgresql://joe@db/app?passwrd=********&sslmode=a", "postgresql://joe@db/app?passwrd=secret&sslmode=a"),
    ],
)
def test_what_libpq_cannot_read_shows_the_values_of_harmless_parameters_alone(shown: str, dsn: str) -> None:
    assert redact_unread(dsn) == shown


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "postgresql+asyncpg://u@h/d?ssl=require&prepared_statement_cache_size=0",
            "postgresql://u@h/d?sslmode=require",
        ),
        ("postgresql+asyncpg://u@h/d?timeout=5&command_timeout=60", "postgresql://u@h/d?connect_timeout=5"),
        ("postgresql://u@h/d?schema=public&connection_limit=5&pool_timeout=2&pgbouncer=true", "postgresql://u@h/d"),
        ("postgres://u@h/d?pgbouncer=true&sslmode=require&statement_cache_size=0", "postgres://u@h/d?sslmode=require"),
        ("postgresql://u@h/d?ssl=false", "postgresql://u@h/d?sslmode=disable"),
        ("postgresql://u@h/d?ssl=true&sslaccept=accept_invalid_certs", "postgresql://u@h/d?sslmode=require"),
        ("postgresql://u@h/d?prepareThreshold=0&application_name=x", "postgresql://u@h/d?application_name=x"),
        ("host=h dbname=d password=a?b=c", "host=h dbname=d password=a?b=c"),
        ("postgresql://u:p%3Fx@h/d", "postgresql://u:p%3Fx@h/d"),
    ],
)
def test_parameters_of_other_programs_are_left_out_or_said_in_libpq_s_words(text: str, meant: str) -> None:
    assert libpq_dsn(text) == meant


@pytest.mark.parametrize(
    ("parameter", "hint"), [("schema=app", "--schema"), ("sslaccept=strict", "libpq"), ("nonsense=1", "libpq")]
)
def test_a_parameter_that_cannot_be_taken_is_named(parameter: str, hint: str) -> None:
    with pytest.raises(ConnectError, match=f"parameter {parameter.partition('=')[0]} of the connection") as caught:
        connect(f"postgresql://u:canary@h/d?{parameter}")
    assert hint in (caught.value.hint or "")
    assert "canary" not in caught.value.describe()
