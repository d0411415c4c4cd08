"""SQLAlchemy's metadata as others write it: listeners, lists, types in arrays, tables that are views."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from reconciler import SourceError
from reconciler.source.reading import source_from_object


def statements(value: object) -> list[str]:
    return [" ".join(each.sql.split()) for each in source_from_object(value).statements]


def test_listeners_use_the_connection_as_a_real_one() -> None:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer))

    @sa.event.listens_for(metadata, "before_create")
    def before(target: object, connection: sa.Connection, **_: object) -> None:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS citext;")
        if connection.scalar(sa.text("SELECT 1 FROM pg_extension WHERE extname = :name").bindparams(name="x")) is None:
            connection.execute(sa.text("CREATE SCHEMA made"))
        assert connection.execute(sa.text("SELECT 1")).scalar() is None
        assert connection.execute(sa.text("SELECT 1")).fetchall() == []
        assert connection.dialect.name == "postgresql"

    sa.event.listen(metadata, "after_create", sa.DDL("CREATE VIEW v AS SELECT id FROM t"))
    found = statements(metadata)
    assert found[0] == "CREATE EXTENSION IF NOT EXISTS citext"
    assert "CREATE SCHEMA made" in found
    assert found[-1] == "CREATE VIEW v AS SELECT id FROM t"


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("x"), SystemExit(3), RecursionError()])
def test_whatever_a_listener_raises_is_an_error_of_ours(error: BaseException) -> None:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer))

    @sa.event.listens_for(metadata, "after_create")
    def after(*_: object, **__: object) -> None:
        raise error

    with pytest.raises(SourceError, match=f"SQLAlchemy cannot render it: {type(error).__name__}"):
        source_from_object(metadata)


def test_a_type_that_several_metadata_use_is_made_once() -> None:
    mood = postgresql.ENUM("sad", "ok", name="mood")
    members = [sa.MetaData(), sa.MetaData()]
    for number, metadata in enumerate(members):
        sa.Table(f"t{number}", metadata, sa.Column("mood", mood))
    for value in (members, [members[0], [members[1]]], (members[0], "CREATE TABLE x ()", members[1])):
        assert sum(each.startswith("CREATE TYPE mood") for each in statements(value)) == 1


def test_the_schema_of_a_type_in_an_array_is_made() -> None:
    metadata = sa.MetaData()
    kind = sa.Enum("a", "b", name="kind", schema="types")
    sa.Table("t", metadata, sa.Column("kinds", postgresql.ARRAY(kind)))
    found = statements(metadata)
    assert found[0] == "CREATE SCHEMA IF NOT EXISTS types"
    assert any(each.startswith("CREATE TYPE types.kind") for each in found)


def test_a_table_that_is_mapped_to_a_view_is_no_table() -> None:
    metadata = sa.MetaData()
    sa.Table("t", metadata, sa.Column("id", sa.Integer))
    sa.Table("v", metadata, sa.Column("id", sa.Integer), info={"is_view": True})
    assert [each for each in statements(metadata) if "TABLE v" in each] == []
    assert len(statements(metadata)) == 1
