"""What ends a constraint's definition as Postgres prints it: when and whether it holds. Pure: no I/O."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Marked", "alter_actions", "can_alter", "marked"]


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
