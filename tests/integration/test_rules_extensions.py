"""Extensions are updated and moved where they can be, and else recreated with what hangs on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from reconciler.client import Reconciler
from reconciler.model.hazards import HazardKind
from reconciler.options import Options

if TYPE_CHECKING:
    from typing import LiteralString

OPTIONS = Options(all_schemas=True, exact=True, scratch="database", allow=frozenset(HazardKind))
SCHEMAS = "CREATE SCHEMA app; CREATE SCHEMA extensions;"
TABLE = "CREATE TABLE app.notes (id bigint PRIMARY KEY, body text);"
INDEX = "CREATE INDEX notes_body_idx ON app.notes USING gin (body {}.gin_trgm_ops);"


def _declared(schema: LiteralString, version: LiteralString) -> str:
    extension = f"CREATE EXTENSION pg_trgm SCHEMA {schema} VERSION '{version}';"
    return SCHEMAS + extension + TABLE + INDEX.format(schema)


@pytest.mark.parametrize(
    ("before", "after", "in_place"),
    [
        (("app", "1.3"), ("app", "1.6"), True),
        (("app", "1.6"), ("app", "1.3"), False),
    ],
    ids=["an update", "a rollback that no update leads to"],
)
def test_an_extension_changes_under_an_index(
    database: str, before: tuple[str, str], after: tuple[str, str], in_place: bool
) -> None:
    with Reconciler(database, options=OPTIONS) as reconciler:
        reconciler.migrate(_declared(*before))
        with psycopg.connect(database) as connection:
            connection.execute("INSERT INTO app.notes VALUES (1, 'kept')")
        done = reconciler.migrate(_declared(*after))
        assert any(statement.sql.startswith("DROP EXTENSION") for statement in done.statements) is not in_place
        assert reconciler.plan(_declared(*after)).plan.is_empty
    with psycopg.connect(database) as connection:
        version = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'pg_trgm'").fetchone()
        rows = connection.execute("SELECT * FROM app.notes").fetchall()
        index = connection.execute("SELECT to_regclass('app.notes_body_idx') IS NOT NULL").fetchone()
    assert (version, rows, index) == ((after[1],), [(1, "kept")], (True,))
