"""The SQL files that ship with the package. Does I/O: it reads files, each once.

`sql/` stands at the top of the repository, and beside this module in an installed wheel: one copy, found both ways.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import LiteralString, cast

__all__ = ["read_sql", "trusted"]

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "sql", _PACKAGE.parent / "sql")


@cache
def read_sql(relative: str) -> str:
    """The text of one file below `sql/`, such as `catalog/table.sql`. Raises FileNotFoundError where it is missing."""
    for folder in _FOLDERS:
        path = folder / relative
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"{relative} does not exist in {' or '.join(map(str, _FOLDERS))}")


def trusted(text: str) -> LiteralString:
    """`text` as psycopg wants the text of a query: only for our own files, and for what Postgres itself printed."""
    return cast("LiteralString", text)  # type: ignore[redundant-cast]  # mypy takes LiteralString for str
