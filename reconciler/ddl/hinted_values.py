"""Whether what a `backfill` hint says can be computed before a column comes or changes. Pure: no I/O.

Only Postgres knows what an expression means. Here it is enough to know what it cannot name: a word that is nowhere in
its text. Where a word only looks like a column's name, the rows are filled in the plan's one transaction, as ever.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.snapshot import FactId

__all__ = ["may_name_any"]

_WORD = re.compile(r"[\w$]+")
_ALL_COLUMNS = re.compile(r"\.\s*\*")


def may_name_any(expression: str, columns: Iterable[FactId]) -> bool:
    """Whether the expression may depend on one of these columns of one table."""
    text = expression.lower()
    words = set(_WORD.findall(text))
    return any(_may_name(text, words, column) for column in columns)


def _may_name(text: str, words: set[str], column: FactId) -> bool:
    table, name = column.name[1].lower(), column.name[2].lower()
    if 'u&"' in text or _ALL_COLUMNS.search(text) or _is_whole_row(text, table):
        return True
    return name in words if _WORD.fullmatch(name) else name.replace('"', '""') in text


def _is_whole_row(text: str, table: str) -> bool:
    """Whether the table's name may stand for a row with all of its columns: no dot follows it."""
    name = re.escape(table.replace('"', '""'))
    return re.search(rf'(?<![\w$]){name}(?![\w$])(?!"?\s*\.)', text) is not None
