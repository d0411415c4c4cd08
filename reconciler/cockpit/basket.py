"""What was decided of each object, and the command lines that do the same. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from reconciler.hazards.policy import consent_for
from reconciler.model.visible import shell_word
from reconciler.redaction.dsn import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from reconciler.cockpit.items import Item
    from reconciler.model.hazards import Hazard

__all__ = ["Basket", "Choice", "Ignoring"]


class Choice(StrEnum):
    """What becomes of an object that drifted."""

    REVERT = "revert"
    ACCEPT = "accept"
    WRITE_BACK = "write back"
    IGNORE = "ignore"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignoring:
    """Why, and until when, an object is left alone."""

    reason: str
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """What was decided, by the objects' keys, in the order of the decisions. Nothing of it is done yet."""

    choices: Mapping[str, Choice]
    ignored: Mapping[str, Ignoring]

    @classmethod
    def empty(cls) -> Basket:
        """One in which nothing is decided."""
        return cls(choices={}, ignored={})

    def choose(self, item: Item, choice: Choice, ignoring: Ignoring | None = None) -> Basket:
        """The same with one decision more; a later one about the same object counts."""
        key = item.object.key
        others = {other: known for other, known in self.ignored.items() if other != key}
        return replace(
            self,
            choices={**self.choices, key: choice},
            ignored=others if ignoring is None else {**others, key: ignoring},
        )

    def of(self, choice: Choice) -> tuple[str, ...]:
        """The keys of the objects of which that was decided."""
        return tuple(key for key, known in self.choices.items() if known is choice)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be done to the database."""
        return not any(map(self.of, (Choice.REVERT, Choice.ACCEPT, Choice.WRITE_BACK)))

    def commands(self, given: Sequence[str], allowed: Iterable[Hazard] = ()) -> tuple[str, ...]:
        """The command lines that do the same; `given` is what the first one was given beside its name.

        `allowed` are the hazards that were allowed when they were shown.
        """
        consents = [part for hazard in allowed for part in ("--allow", consent_for(hazard))]
        flags: dict[Choice, list[str]] = {
            Choice.REVERT: ["--revert", *consents],
            Choice.ACCEPT: ["--accept", "--no-pull"],
            Choice.WRITE_BACK: ["--accept", "--pull"],
        }
        return tuple(
            " ".join(map(shell_word, ["reconciler", "repair", *map(redact, given), *words, *_objects(keys)]))
            for choice, words in flags.items()
            if (keys := self.of(choice))
        )

    @property
    def rules(self) -> str:
        """The lines of the configuration that leave alone what is to be ignored; empty where nothing is."""
        return "\n".join(_rule(key, why) for key, why in self.ignored.items())


def _objects(keys: Iterable[str]) -> Iterable[str]:
    for key in keys:
        yield from ("--object", key)


def _rule(key: str, why: Ignoring) -> str:
    until = "" if why.until is None else f"until = {why.until.isoformat()}\n"
    return f"[[ignore]]\nobject = {_quoted(key)}\nreason = {_quoted(why.reason)}\n{until}"


def _quoted(text: str) -> str:
    """The text as a string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(letter if letter.isprintable() else f"\\u{ord(letter):04X}" for letter in escaped) + '"'
