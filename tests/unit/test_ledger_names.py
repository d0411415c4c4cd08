"""The ledger's SQL names the schema by its variable, and the schema's name is put there and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg import sql

import reconciler
from reconciler import ConfigError
from reconciler.db.ledger_schema import in_ledger
from reconciler.model.plugins import require_ledger_schema

PACKAGE = Path(reconciler.__file__).parent
FILES = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "sql").rglob("*.sql")]
# A table or the text of the usual schema's name, where a query of the ledger would have it.
SPELLED = re.compile(r"\bmigrations\._[a-z]|nspname = 'migrations'|to_regnamespace\('migrations'\)|SCHEMA migrations\b")


def test_no_query_spells_the_name_of_the_ledgers_schema() -> None:
    # An administrator runs roles.sql, and reads what it says.
    paths = [path for path in FILES if path.name != "roles.sql"]
    found = [(path.name, line) for path in paths for line in path.read_text().splitlines() if SPELLED.search(line)]
    assert not found, "write :ledger for the schema's name, :'ledger' for its text, and run it by ledger_cursor"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT 1 FROM :ledger._runs WHERE x = :'ledger'", """SELECT 1 FROM "a b%"._runs WHERE x = 'a b%'"""),
        ("SELECT 'x'::ledger, a[1:ledger], :ledgers.x", "SELECT 'x'::ledger, a[1:ledger], :ledgers.x"),
    ],
)
def test_the_variable_alone_is_replaced(query: str, expected: str) -> None:
    assert in_ledger(query, "a b%", has_values=False) == expected
    assert in_ledger(query.encode(), "a b%", has_values=False) == expected.encode()
    assert in_ledger(query, "a b%", has_values=True) == expected.replace("%", "%%")


def test_of_a_composed_query_only_the_text_is_looked_at() -> None:
    query = sql.SQL("SELECT {} FROM :ledger.{}").format(sql.Literal(":ledger"), sql.Identifier(":ledger"))
    placed = in_ledger(query, "app", has_values=False)
    assert isinstance(placed, sql.Composable)
    assert placed.as_string() == """SELECT ':ledger' FROM "app".":ledger\""""


@pytest.mark.parametrize(
    "name", ["", "pg_x", "public", "information_schema", 'a"b', "a'b", "a\\b", "a\nb", " a", "ä" * 32]
)
def test_a_name_that_the_ledgers_schema_cannot_have_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="ledger"):
        require_ledger_schema(name)
