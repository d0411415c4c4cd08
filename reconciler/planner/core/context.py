"""What a rule may know: both states, and what the plan does to which fact. Pure: no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING

from reconciler.model.facts import ROUTINE_KINDS, SATELLITE_KINDS, FactId
from reconciler.model.intent import Intent
from reconciler.model.plan import Rights
from reconciler.model.temporary_names import free_name
from reconciler.planner.core.decisions import Decisions
from reconciler.planner.sql.quoting import Part, compose, literal, name
from reconciler.redaction.masking import MASK, Secret, SecretText

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.hazards import IndexUse, TableSize
    from reconciler.model.plan import Online
    from reconciler.model.replication import Replication
    from reconciler.model.snapshot import Snapshot

__all__ = ["Context"]


@dataclass(kw_only=True)
class Context:
    """What a rule may know: both states, what the plan does to whom, and how large tables are."""

    live: Snapshot
    goal: Snapshot
    current_user: str
    rights: Rights = field(default_factory=Rights)
    online: Online | None = None
    sizes: Mapping[FactId, TableSize] = field(default_factory=dict["FactId", "TableSize"])
    index_use: Mapping[FactId, IndexUse] = field(default_factory=dict["FactId", "IndexUse"])
    unalterable_extensions: frozenset[FactId] = frozenset()
    creates: set[FactId] = field(default_factory=set["FactId"])
    drops: set[FactId] = field(default_factory=set["FactId"])
    alters: set[FactId] = field(default_factory=set["FactId"])
    # What is dropped and created again only because of another fact, and that one.
    causes: dict[FactId, FactId] = field(default_factory=dict["FactId", "FactId"])
    # Columns whose type is recreated. They keep their values: converted once, where the old type stays until then under
    # a temporary name (`renamed_types`), else as text or JSON in between.
    converting: set[FactId] = field(default_factory=set["FactId"])
    # The answers to the strategies' questions: for each fact that has such rows, whether it has no others.
    answers: Mapping[FactId, bool] = field(default_factory=dict["FactId", bool])
    # What the strategies have decided.
    decided: Decisions = field(default_factory=Decisions)
    intent: Intent = field(default_factory=Intent)
    dependents: Mapping[FactId, Sequence[FactId]] = field(default_factory=dict["FactId", "Sequence[FactId]"])
    # What the plan's renames have renamed already here, but not yet in the database: new name -> the one it has now.
    names_before_renames: Mapping[FactId, FactId] = field(default_factory=dict["FactId", "FactId"])
    # Who reads the server's log; None where nobody looked. And of each published table the columns that still have a
    # temporary one beside them, which a column list keeps from subscribers.
    replication: Replication | None = None
    hiding: dict[FactId, set[FactId]] = field(default_factory=dict["FactId", "set[FactId]"])
    # Whether indexes over the same columns are created in the order of the goal's in all tables: to copy live.
    keeps_ages: bool = False
    # Of the half-made things that a run left in live, those that this plan goes on with.
    adopted_leftovers: set[FactId] = field(default_factory=set["FactId"])
    _positions: dict[FactId, int] = field(default_factory=dict["FactId", int], repr=False)
    _live_positions: dict[FactId, int] = field(default_factory=dict["FactId", int], repr=False)
    _sequences: dict[tuple[str, ...], list[FactId]] | None = field(default=None, repr=False)
    _default_entries: list[tuple[str, str, str, str]] | None = field(default=None, repr=False)
    # Stands in a text for a secret until the statement is whole; no text of a user's can hold it by design or chance.
    _nonce: str = field(default_factory=lambda: token_hex(16), repr=False)
    _concealed: list[tuple[Secret, str]] = field(default_factory=list["tuple[Secret, str]"], repr=False)

    def old(self, fact: FactId) -> Definition:
        """The live definition."""
        return self.live.definition(fact)

    def new(self, fact: FactId) -> Definition:
        """The goal's definition."""
        return self.goal.definition(fact)

    def changed(self, fact: FactId) -> frozenset[str]:
        """The attributes that differ between live and the goal."""
        old, new = self.old(fact), self.new(fact)
        return frozenset(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))

    def interim_name(self, schema: str, plain: str, suffix: str) -> str:
        """The name that an object of this name has while the plan runs, which nothing has before or after it."""
        return free_name(schema, plain, suffix, self._names)

    @cached_property
    def _names(self) -> frozenset[tuple[str, str]]:
        """(schema, name) of whatever has a name in live or in the goal, of any kind."""
        found = {
            (fact.name[0], part)
            for state in (self.live, self.goal)
            for fact in state.facts
            if fact.kind not in SATELLITE_KINDS
            for part in fact.name[1:3]
        }
        return frozenset(found)

    def via(self, part: FactId) -> Part:
        """The table whose alteration gives its table this column or check: the temporary parent, where it has one."""
        table = self.goal.parent(part)
        temporary = self.decided.temporary_parents.get(table) if table is not None else None
        return temporary if temporary is not None and self.new(part).get("inherited") else name(*part.name[:2])

    def position(self, fact: FactId) -> int:
        """The place of the fact in the goal: a table's columns stand in their order."""
        if not self._positions:
            self._positions.update({fact: number for number, fact in enumerate(self.goal.facts)})
        return self._positions[fact]

    def columns(self, relation: FactId, state: Snapshot) -> list[tuple[str, str]]:
        """A relation's columns in their order: (name, definition)."""
        columns = [fact for fact in state.children.get(relation, ()) if fact.kind == "column"]
        place = self.position if state is self.goal else self._live_position
        return [(fact.name[2], state.facts[fact]) for fact in sorted(columns, key=place)]

    def _live_position(self, fact: FactId) -> int:
        if not self._live_positions:
            self._live_positions.update({fact: number for number, fact in enumerate(self.live.facts)})
        return self._live_positions[fact]

    def other_owner(self, table: FactId) -> str | None:
        """The role that owns the table in live, where that is not who runs the plan."""
        found = self.live.find(FactId("owner", (table.kind, *table.name)))
        return None if found is None or found["role"] == self.current_user else str(found["role"])

    def sequences_of(self, table: FactId) -> Sequence[FactId]:
        """The sequences that belong to columns of the table in the goal."""
        if self._sequences is None:
            self._sequences = {}
            for fact in self.goal.facts:
                if fact.kind == "owned_by":
                    owned = self.new(fact)
                    owner = (str(owned["schema"]), str(owned["table"]))
                    self._sequences.setdefault(owner, []).append(fact)
        return self._sequences.get(table.name, ())

    def goes_with_parent(self, fact: FactId) -> bool:
        """An index or constraint of a partition that is dropped with its parent's, and cannot be dropped alone."""
        return any(owner.kind in ("index", "constraint") and owner in self.drops for owner in self.cascades_from(fact))

    def cascades_from(self, fact: FactId) -> Sequence[FactId]:
        """What drops this fact with it; not the parent's index of a table that is detached before."""
        owners = self.live.automatic.get(fact, frozenset())
        table = self.live.parent(fact) if fact.kind in ("index", "constraint") else None
        links = [link for link in self.live.children.get(table, ()) if link.kind == "inheritance"] if table else []
        together = table in self.decided.renamed_tables
        if any(
            link in self.drops and not (together and FactId("table", link.name[2:]) in self.decided.renamed_tables)
            for link in links
        ):
            owners = frozenset(owner for owner in owners if owner.kind not in ("index", "constraint"))
        return sorted(owners)

    def adopted(self, fact: FactId) -> Sequence[FactId]:
        """The indexes and constraints of partitions that belong to this one of their parent."""
        return self._adopted_in_goal.get(fact, ())

    @cached_property
    def _adopted_in_goal(self) -> Mapping[FactId, Sequence[FactId]]:
        return _adopted(self.goal)

    @cached_property
    def adopted_in_live(self) -> Mapping[FactId, Sequence[FactId]]:
        """The same as `adopted`, of all in live."""
        return _adopted(self.live)

    def default_entries(self) -> Sequence[tuple[str, str, str, str]]:
        """(role, schema or '', type of object, grantee) of all default privileges in live."""
        if self._default_entries is None:
            found = [fact.name for fact in self.live.facts if fact.kind == "privileges"]
            self._default_entries = [
                (role, schema, kind, grantee)
                for target, role, schema, kind, *rest in (name for name in found if len(name) == 5)
                for grantee in rest
                if target == "default_privileges"
            ]
        return self._default_entries

    @cached_property
    def goal_dependents(self) -> Mapping[FactId, Sequence[FactId]]:
        """Each fact of the goal, and what needs it there."""
        found: dict[FactId, list[FactId]] = {}
        for fact, needed in self.goal.dependencies.items():
            for other in needed:
                found.setdefault(other, []).append(fact)
        return found

    @cached_property
    def new_partition_bounds(self) -> Mapping[FactId, Mapping[str, FactId]]:
        """Each table, and by their bounds its partitions that are new or have another one than before.

        To be asked when it is decided what happens to each fact.
        """
        found: dict[FactId, dict[str, FactId]] = {}
        for link in sorted(self.creates):
            bound = self.new(link).get("bound") if link.kind == "inheritance" else None
            if bound is not None and (link not in self.live or "bound" in self.changed(link)):
                found.setdefault(FactId("table", link.name[2:]), {})[str(bound)] = link
        return found

    @cached_property
    def default_partitions(self) -> Mapping[FactId, FactId]:
        """Each table of live, and the link of its default partition."""
        return {
            FactId("table", link.name[2:]): link
            for link, text in self.live.facts.items()
            if link.kind == "inheritance" and '"bound":"DEFAULT"' in text
        }

    @cached_property
    def constraint_holders(self) -> Mapping[tuple[str, str], frozenset[FactId]]:
        """(schema, name) of all constraints in live or in the goal, and whose they are: of a column, if NOT NULL.

        What Postgres names by itself it gives no name that any constraint of the schema has.
        """
        found: dict[tuple[str, str], set[FactId]] = {}
        for state in (self.live, self.goal):
            for fact, chosen in state.constraint_names():
                found.setdefault((fact.name[0], chosen), set()).add(fact)
        return {place: frozenset(holders) for place, holders in found.items()}

    def cause_of(self, fact: FactId) -> str | None:
        """Why something that stays is dropped and created again: what changes or goes, at the root; None otherwise."""
        if fact not in self.live or fact not in self.goal or fact not in self.creates:
            return None
        root, seen = fact, {fact}
        while (above := self.causes.get(root)) is not None and above not in seen:
            root = above
            seen.add(above)
        if root == fact:
            return None
        if root not in self.goal:
            return f"{root} is dropped"
        changed = sorted(self.changed(root)) if root in self.live else []
        attributes = ", ".join(name.replace("_", " ") for name in changed)
        return f"{root} changes ({attributes})" if attributes else f"{root} is recreated"

    def persists(self, fact: FactId) -> bool:
        """True where the fact is in both states and is neither dropped nor recreated."""
        return fact in self.live and fact in self.goal and fact not in self.drops and fact not in self.creates

    def touches(self, fact: FactId) -> bool:
        """Whether the plan creates, drops or alters the fact."""
        return fact in self.creates or fact in self.drops or fact in self.alters

    @cached_property
    def touches_routines(self) -> bool:
        """Whether it does so with any routine. To be asked when it is decided what happens to each fact."""
        return any(each.kind in ROUTINE_KINDS for found in (self.creates, self.drops, self.alters) for each in found)

    @cached_property
    def new_links(self) -> Mapping[tuple[str, ...], Sequence[FactId]]:
        """The links that are created, of each table that is their child or their parent. To be asked when it is decided
        what happens to each fact.
        """
        found: dict[tuple[str, ...], list[FactId]] = {}
        for link in self.creates:
            if link.kind == "inheritance":
                for table in {link.name[:2], link.name[2:]}:
                    found.setdefault(table, []).append(link)
        return found

    @property
    def has_subscribers(self) -> bool:
        """Whether somebody may be subscribed to a publication of live."""
        return self.replication is not None and self.replication.has_subscribers(self.version)

    def has_new_secrets(self, fact: FactId) -> bool:
        """Whether a secret of the fact differs in the goal."""
        return self.live.has_other_secrets(fact, self.goal)

    def conceal(self, secret: Secret, shown: str = MASK) -> Part:
        """A literal that is shown as `shown`, while the statement is run with the value."""
        self._concealed.append((secret, shown))
        return literal(f"{self._nonce}:{len(self._concealed) - 1}")

    def masked(self, text: str) -> tuple[str, SecretText | None]:
        """The text of a statement for people, and the one to run where that is another."""
        if self._nonce not in text:
            return text, None
        place = re.compile(rf"'{self._nonce}:(\d+)'")
        pairs = {found: self._concealed[int(found)] for found in place.findall(text)}
        revealed = place.sub(lambda found: compose("{}", literal(pairs[found[1]][0].reveal())), text)
        shown = place.sub(lambda found: compose("{}", literal(pairs[found[1]][1])), text)
        return shown, SecretText(revealed, [secret.reveal() for secret, _ in pairs.values()])

    @property
    def version(self) -> int:
        """The live server's version number, e.g. 150018."""
        return self.live.server_version


def _adopted(state: Snapshot) -> Mapping[FactId, Sequence[FactId]]:
    found: dict[FactId, list[FactId]] = {}
    for fact, owners in state.automatic.items():
        if fact.kind in ("index", "constraint") and '"parent":' in state.facts.get(fact, ""):
            for owner in owners:
                if owner.kind in ("index", "constraint"):
                    found.setdefault(owner, []).append(fact)
    return {owner: tuple(sorted(parts)) for owner, parts in found.items()}
