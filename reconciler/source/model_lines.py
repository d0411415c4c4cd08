"""What differs of a table, as lines to paste into a SQLAlchemy model. Pure: no I/O.

A model is a program, so it is not written to. What a line cannot say in the words of SQLAlchemy is said in a comment.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from reconciler.model.facts import FactId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from reconciler.diff.diff import Difference
    from reconciler.model.facts import Definition

__all__ = ["model_lines"]

_TYPE = re.compile(r"(?P<name>[a-z][a-z ]*?)(?:\((?P<arguments>[\d, ]+)\))?(?P<rest> [a-z ]+)?(?P<array>(?:\[\])*)")


def model_lines(differences: Mapping[FactId, Difference], live: Mapping[FactId, str]) -> list[str]:
    """For each table its columns that live has otherwise, as `Column(...)`, and what else differs, as a comment."""
    tables: dict[str, list[str]] = {}
    for fact, difference in sorted(differences.items()):
        if fact.kind in ("column", "default") and len(fact.name) > 2:
            lines = tables.setdefault(".".join(fact.name[:2]), [])
            line = _column(fact.name, live)
            if line not in lines:
                lines.append(line)
        elif fact.kind not in ("owner", "privileges"):
            gone = "remove " if difference.before is None else ""
            tables.setdefault(".".join(fact.name[:2]), []).append(f"# {gone}{fact}{_definition(difference)}")
    return [line for table, lines in tables.items() for line in (f"{table}:", *(f"    {each}" for each in lines))]


def _definition(difference: Difference) -> str:
    found = {} if difference.before is None else cast("Definition", json.loads(difference.before))
    text = found.get("definition") or found.get("using")
    return f": {' '.join(str(text).split())}" if text else ""


def _column(name: tuple[str, ...], live: Mapping[FactId, str]) -> str:
    text = live.get(FactId("column", name))
    if text is None:
        return f"# remove column {name[2]}"
    column = cast("Definition", json.loads(text))
    parts = [repr(name[2]), _type(str(column["type"]))]
    parts += _default(column, live.get(FactId("default", name)))
    if column.get("not_null"):
        parts.append("nullable=False")
    return f"Column({', '.join(parts)})"


def _default(column: Definition, default: str | None) -> Iterable[str]:
    if column.get("identity"):
        always = bool(cast("Definition", column["identity"]).get("always"))
        yield f"Identity(always={always})"
    if column.get("generated"):
        persisted = "" if column.get("virtual") else ", persisted=True"
        yield f"Computed({str(column['generated'])!r}{persisted})"
    if default is not None:
        yield f"server_default=text({str(cast('Definition', json.loads(default))['expression'])!r})"


def _type(written: str) -> str:
    """The type as SQLAlchemy has it; one that it does not know by the name alone."""
    from sqlalchemy.dialects import postgresql

    names = cast("Mapping[str, type[object]]", postgresql.dialect.ischema_names)
    found = _TYPE.fullmatch(written)
    full = "" if found is None else f"{found['name']}{found['rest'] or ''}"
    known = names.get(full)
    if found is None or known is None:
        return f"UserType({written!r})  # the model's own type for {written}"
    arguments = found["arguments"] or ""
    if full in ("timestamp with time zone", "time with time zone"):
        arguments = "timezone=True"
    text = f"{known.__name__}({arguments})"
    return f"ARRAY({text})" if found["array"] else text
