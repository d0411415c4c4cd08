"""What a strategy is: a situation around objects that rules alone, one fact at a time, cannot change. Pure: no I/O.

There are two verbs. Replace: old and new stand side by side, what they hold moves, and the name is handed over. Suspend
and restore: a property is lifted while others change. A strategy decides once, in `settle`, and stores what it decided
in the context; rules read that, and compute nothing again. To add one, write a class and put it into the registry
(`planner.strategies.registry`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from reconciler.model.checks import Question
    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context
    from reconciler.planner.core.nodes import Node
    from reconciler.planner.core.rule import StatementDraft

__all__ = ["Strategy"]


class Strategy:
    """A way to keep values, rows and properties; each method's default is that there is nothing to do."""

    # --- while it is decided what happens to each fact ---

    def forced(self, context: Context) -> Iterable[FactId]:
        """What is recreated though it could be altered, or stay as it is."""
        return ()

    def recreated_with(self, gone: FactId, context: Context) -> Iterable[FactId]:
        """What is recreated since `gone` is dropped, beyond what depends on it."""
        return ()

    def recreated_besides(self, context: Context) -> Iterable[FactId]:
        """What is recreated as well, asked when nothing that stays depends on what is dropped."""
        return ()

    def holders(self, context: Context) -> Mapping[FactId, FactId]:
        """What holds values of something that is altered, and that: each is treated as if that were dropped."""
        return {}

    # --- when it is decided ---

    def settle(self, context: Context) -> None:
        """Decides, and stores the decision in the context."""

    def questions(self, context: Context) -> Iterable[Question]:
        """What to ask about live's rows before a plan can be made that answers them."""
        return ()

    # --- the order ---

    def prepared(self, context: Context) -> Collection[FactId]:
        """The facts for which `prepare` has statements, before they are changed."""
        return ()

    def restored(self, context: Context) -> Collection[FactId]:
        """The facts for which `restore` has statements, after they were changed."""
        return ()

    def ordered(self, context: Context) -> Iterable[tuple[Node, Node]]:
        """(earlier, later)."""
        return ()

    def owners_of_drop(self, fact: FactId, owners: Sequence[FactId], context: Context) -> Sequence[FactId]:
        """Those of `owners` whose drop drops the fact as well."""
        return owners

    # --- the statements ---

    def prepare(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """What is done before the fact is changed."""
        return ()

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft] | None:
        """What is done in place of the drop of the fact; None where the rule drops it."""
        return None

    def restore(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """What is done after the fact was changed."""
        return ()
