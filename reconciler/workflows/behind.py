"""Whether a declaration is older than what the ledger has seen. Does I/O, only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.errors import BehindError
from reconciler.ledger.declarations import Declared, find_behind, find_overtaken
from reconciler.source.source import DatabaseSource

if TYPE_CHECKING:
    from reconciler.db.connections import Connection
    from reconciler.options import Options
    from reconciler.source.reading import Reading
    from reconciler.source.source import AnySource


__all__ = ["declared_of", "require_last"]


def require_last(
    connection: Connection, plugin: str, source: AnySource | Reading, options: Options, *, begun: bool = False
) -> None:
    """Raises BehindError where the source is known as an older one, which may show only when it is built.

    With `begun` also where an unfinished run leads to another declaration.
    """
    declared = declared_of(source, options)
    behind = find_behind(connection, plugin, declared)
    if behind is None and begun:
        behind = find_overtaken(connection, plugin, declared)
    if behind is not None:
        raise BehindError(plugin, behind)


def declared_of(source: AnySource | Reading, options: Options) -> Declared:
    """What the source is known by before it is built."""
    return Declared(digest="" if isinstance(source, DatabaseSource) else source.digest, version=options.version)
