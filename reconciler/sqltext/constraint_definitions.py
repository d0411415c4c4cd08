"""Definitions of constraints as Postgres prints them: the key, and when and whether it holds. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Marked", "alter_actions", "can_alter", "key_clauses", "marked"]


def key_clauses(definition: str) -> tuple[str, str] | None:
    """What follows the table's name in CREATE INDEX, and what follows USING INDEX, of a key's definition."""
    rest = next((definition[len(word) :] for word in ("PRIMARY KEY", "UNIQUE") if definition.startswith(word)), None)
    if rest is None:
        return None
    distinct = " NULLS NOT DISTINCT" if rest.startswith(" NULLS NOT DISTINCT") else ""
    rest = rest.removeprefix(distinct).lstrip()
    end = _closing(rest)
    columns, rest = rest[:end], rest[end:]
    include = ""
    if rest.startswith(" INCLUDE "):
        end = len(" INCLUDE ") + _closing(rest.removeprefix(" INCLUDE "))
        include, rest = rest[:end], rest[end:]
    if "WITHOUT OVERLAPS" in columns or (rest and not rest.startswith(" DEFERRABLE")):
        return None
    return f"{columns}{include}{distinct}", rest


def _closing(text: str) -> int:
    """The length of the parenthesis that `text` begins with; quoted names may hold parentheses."""
    quoted, depth = False, 0
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if depth == 0:
                return place + 1
    return len(text)


class Marked(NamedTuple):
    """A constraint's definition without the marks at its end, and the marks."""

    definition: str
    deferrable: bool
    deferred: bool
    enforced: bool
    valid: bool


def marked(definition: str) -> Marked:
    """Takes `FOREIGN KEY ... DEFERRABLE INITIALLY DEFERRED NOT VALID` apart."""
    found: list[bool] = []
    for mark in (" NOT VALID", " NOT ENFORCED", " INITIALLY DEFERRED", " DEFERRABLE"):
        found.append(definition.endswith(mark))
        definition = definition.removesuffix(mark)
    invalid, unenforced, deferred, deferrable = found
    return Marked(
        definition=definition,
        deferrable=deferrable,
        deferred=deferred,
        enforced=not unenforced,
        valid=not invalid and not unenforced,
    )


def can_alter(old: Marked, new: Marked) -> bool:
    """Whether a foreign key becomes another by ALTER CONSTRAINT and VALIDATE CONSTRAINT.

    Both only ever make it valid, and nothing but NOT ENFORCED takes that from a valid one.
    """
    return old.definition == new.definition and (new.valid or not new.enforced or not (old.valid or not old.enforced))


def alter_actions(old: Marked, new: Marked) -> str:
    """What follows ALTER CONSTRAINT and the name; empty where neither deferral nor enforcement changes."""
    actions: list[str] = []
    if (old.deferrable, old.deferred) != (new.deferrable, new.deferred):
        actions.append("DEFERRABLE" if new.deferrable else "NOT DEFERRABLE")
        if new.deferrable:
            actions.append("INITIALLY DEFERRED" if new.deferred else "INITIALLY IMMEDIATE")
    if old.enforced != new.enforced:
        actions.append("ENFORCED" if new.enforced else "NOT ENFORCED")
    return " ".join(actions)
