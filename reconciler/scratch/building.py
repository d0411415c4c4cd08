"""Builds the desired state in the scratch that can hold it. Does I/O in scratch only."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.errors import ReconcilerError, SourceError
from reconciler.scratch.choice import choose_scratch
from reconciler.scratch.scratch import SchemaScratch, build
from reconciler.snapshot import DATABASE_WIDE_KINDS
from reconciler.source.screening import leading_keywords
from reconciler.source.source import DatabaseSource, Source
from reconciler.source.splitter import tokens

if TYPE_CHECKING:
    from reconciler.db.connections import Connection
    from reconciler.goal import Desired, Scope
    from reconciler.scratch.scratch import Scratch
    from reconciler.snapshot import Snapshot
    from reconciler.source.source import AnySource

__all__ = ["build_anywhere", "created_schemas"]


def build_anywhere(
    live: Connection, wish: str, source: AnySource, scope: Scope, recorded: Snapshot | None, *, dsn: str
) -> tuple[Scratch, Desired]:
    """The desired state, built in the scratch for `wish`, and that scratch.

    The schemas that the source makes, or made when it was recorded, step aside with those of the scope. Where `auto`
    meets what cannot step aside in the live database, a publication for one, a temporary database serves.
    Raises ScratchError or SourceError.
    """
    past = recorded.schemas if recorded else ()
    named = created_schemas(source)
    claimed = () if scope.all_schemas else tuple(sorted({*past, *named} - {*scope.schemas}))
    wider = replace(scope, schemas=(*scope.schemas, *claimed))
    own = frozenset(fact for fact in recorded or () if fact.kind in DATABASE_WIDE_KINDS)
    statements = len(source.statements) if isinstance(source, Source) else 0
    scratch = choose_scratch(live, wish, wider, dsn=dsn, statements=statements, own=own)
    try:
        return scratch, build(scratch, source, scope, claimed=claimed, named=named)
    except SourceError as error:
        if not error.finds_existing or not isinstance(scratch, SchemaScratch):
            raise
        try:
            if wish != "auto":
                raise error
            scratch = choose_scratch(live, "database", wider, dsn=dsn, own=own)
        except ReconcilerError as refused:
            error.hint = (
                "what is there already stands outside the managed schemas: name its schema with --schema,"
                " or build elsewhere with --scratch database or --scratch postgresql://..."
            )
            raise error from refused
        scratch.why = "what the source declares outside the managed schemas is in the live database already"
        return scratch, build(scratch, source, scope, claimed=claimed, named=named)


def created_schemas(source: AnySource) -> frozenset[str]:
    """The schemas that CREATE SCHEMA statements of the source name, but for those that IF NOT EXISTS leaves open."""
    if isinstance(source, DatabaseSource):
        return frozenset()
    found: set[str] = set()
    for statement in source.statements:
        if leading_keywords(statement.sql)[:2] == ("CREATE", "SCHEMA"):
            words = [token.text for token in islice(tokens(statement.sql), 6)]
            if [word.upper() for word in words[2:5]] == ["IF", "NOT", "EXISTS"]:
                continue
            name = words[3] if len(words) > 3 and words[2].upper() == "AUTHORIZATION" else words[2]
            found.add(name[1:-1].replace('""', '"') if name.startswith('"') else name.lower())
    return frozenset(found)
