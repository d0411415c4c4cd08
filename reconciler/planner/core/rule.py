"""What a rule is: how facts of one kind are created, dropped and altered. Pure: no I/O.

The planner decides what happens to which fact and in which order; a rule only says how, for its kinds. To add a kind,
write a class, put it into the registry (`planner.rules.registry`), and give its catalog query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from reconciler.model.plan import LockMode, Stage
from reconciler.planner.sql.object_names import object_phrase
from reconciler.planner.sql.quoting import compose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.checks import Arrival, Check
    from reconciler.model.facts import Definition, FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import RowAccess
    from reconciler.planner.core.context import Context

__all__ = ["Rule", "StatementDraft", "exclusive"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementDraft:
    """A statement in the making; the planner adds which facts it is about.

    One that is not `joined` to the statement before it is a step of its own, unless its stage is TOGETHER.
    """

    sql: str
    hazards: tuple[Hazard, ...] = ()
    lock: LockMode | None = None
    locks: FactId | None = None
    transactional: bool = True
    stage: Stage = Stage.TOGETHER
    joined: bool = False
    rehearsal: str | None = None
    batched: FactId | None = None
    as_replica: bool = False
    brief: bool = False
    rows: tuple[RowAccess, ...] = ()
    arrival: Arrival | None = None


def exclusive(text: str, relation: FactId | None, /, *found: Hazard, brief: bool = False) -> StatementDraft:
    """A statement that blocks all other access to the relation, as most forms of ALTER TABLE do."""
    return StatementDraft(sql=text, hazards=found, lock=LockMode.ACCESS_EXCLUSIVE, locks=relation, brief=brief)


class Rule:
    """How facts of `kinds` are created, dropped and changed. The base class says: change means drop and create."""

    kinds: ClassVar[tuple[str, ...]]
    # Among statements that may stand in any order, lower comes first when creating, last when dropping.
    rank: ClassVar[int] = 50
    # Where folding into another fact's statement would close a cycle, those with a lower value stand alone first.
    unfold_priority: ClassVar[int] = 1

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        """Statements that make the fact, and the facts folded into it."""
        raise NotImplementedError

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """Statements that remove the fact; most kinds have one that names it."""
        yield StatementDraft(sql=compose("DROP {}", object_phrase(fact)))

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """Statements that change the fact in place; only asked where `in_place` says so."""
        raise NotImplementedError

    def checks(self, fact: FactId, context: Context) -> Iterable[Check]:
        """What the rows must allow, where the fact is created or altered: queries that find those that do not."""
        return ()

    def in_place(self, fact: FactId, context: Context) -> bool:
        """Whether the change can be made without dropping the fact."""
        return False

    def is_unmodelled(self, fact: FactId, context: Context) -> bool:
        """True where no statement can make this difference, e.g. because it would have to hold an unknown password."""
        return False

    def replaced(self, fact: FactId, context: Context) -> FactId:
        """What is dropped and created where the change cannot be made in place: usually the fact itself."""
        return fact

    def recreate_around_alter(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """The live facts that must be dropped before a change in place and created again after it."""
        return ()

    def cascades_to(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """The live facts that are dropped with `fact`, beyond its own parts, although they may stay in the goal."""
        return ()

    def must_recreate_with(self, fact: FactId, dropped: FactId, context: Context) -> bool:
        """Whether `fact` must be recreated because `dropped`, which it depends on, is dropped."""
        return True

    def releases(self, fact: FactId, context: Context) -> bool:
        """Whether after the change in place `fact` needs what the goal has, and no longer what live has."""
        return True

    def converts_values_while_recreating(self, fact: FactId, dropped: FactId, context: Context) -> bool:
        """Whether the column `fact` keeps its values in another form while its type `dropped` is recreated."""
        return False

    def inline_into(self, fact: FactId, context: Context) -> FactId | None:
        """The created fact whose statement can create this one too."""
        return None

    def inline_drop_into(self, fact: FactId, context: Context) -> FactId | None:
        """The dropped fact whose statement drops this one too, beyond parents and pg_depend's."""
        return None

    def unfold_priority_of(self, fact: FactId, context: Context) -> int:
        """The fact's own `unfold_priority`, where those of one kind differ."""
        return self.unfold_priority

    def implied_by_other_statement(self, fact: FactId, context: Context) -> bool:
        """True where another fact's statement creates, drops or alters the fact (a view's column)."""
        return False

    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        """Names that only one fact can have at a time; who gives one up comes before who takes it."""
        return ()

    def after_drop_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """Live facts that, if they are dropped, are dropped before this one is created or altered, beyond pg_depend."""
        return ()

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """Created or altered facts that must come before this one is created or altered, beyond pg_depend's."""
        return ()
