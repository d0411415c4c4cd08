"""Privileges: one fact a grantee, and only where they are not what the grantee has by default. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

from reconciler import hazards
from reconciler.ddl.names import object_phrase
from reconciler.ddl.rule import Context, Draft, Rule
from reconciler.ddl.text import Part, compose, joined, name, raw, role
from reconciler.snapshot import FactId, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.snapshot import Definition

__all__ = ["PrivilegesRule", "default_privileges_of"]

_GRANT_OPTION = " WITH GRANT OPTION"
_RELATIONS = ("view", "materialized_view", "foreign_table", "table")
# https://www.postgresql.org/docs/current/ddl-priv.html, table "Summary of Access Privileges"
_TO_PUBLIC = {
    "function": "EXECUTE",
    "procedure": "EXECUTE",
    "aggregate": "EXECUTE",
    "language": "USAGE",
    "domain": "USAGE",
    "enum": "USAGE",
    "composite_type": "USAGE",
    "range_type": "USAGE",
    "base_type": "USAGE",
}
_TO_OWNER: dict[str, frozenset[str]] = {
    "schema": frozenset({"USAGE", "CREATE"}),
    "sequence": frozenset({"USAGE", "SELECT", "UPDATE"}),
    "foreign_data_wrapper": frozenset({"USAGE"}),
    "foreign_server": frozenset({"USAGE"}),
    **{kind: frozenset({privilege}) for kind, privilege in _TO_PUBLIC.items()},
}
_TABLE_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"})


def default_privileges_of(target: FactId, grantee: str, owner: str | None, version: int) -> frozenset[str]:
    """What `grantee` may do with a new `target` without any GRANT."""
    if target.kind == "column":
        return frozenset()
    if grantee == "":
        return frozenset({_TO_PUBLIC[target.kind]}) if target.kind in _TO_PUBLIC else frozenset()
    if grantee != owner:
        return frozenset()
    if target.kind in _TO_OWNER:
        return _TO_OWNER[target.kind]
    return _TABLE_PRIVILEGES | {"MAINTAIN"} if version >= 170000 else _TABLE_PRIVILEGES


def _owner(target: FactId, state: Snapshot) -> str | None:
    found = state.find(FactId("owner", (target.kind, *target.name)))
    return str(found["role"]) if found else None


class PrivilegesRule(Rule):
    """GRANT and REVOKE: only what differs."""

    kinds = ("privileges",)
    rank = 95

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[Draft]:
        return self._change(fact, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[Draft]:
        return () if fact in context.creates else self._change(fact, context)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[Draft]:
        return self._change(fact, context)

    def disturbed(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """A REVOKE on a table takes the grantee's privileges on its columns along."""
        if fact.target.kind in _RELATIONS and fact.target in context.live:
            for column in context.live.children.get(fact.target, ()):
                other = FactId("privileges", (column.kind, *column.name, fact.name[-1]))
                if column.kind == "column" and other in context.live:
                    yield other

    def before(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """After the owner, whose own privileges come and go with ownership; a table's before its columns'."""
        target = fact.target
        yield FactId("owner", (target.kind, *target.name))
        if target.kind == "column":
            table = context.goal.parent(target)
            if table is not None:
                yield FactId("privileges", (table.kind, *table.name, fact.name[-1]))

    def _change(self, fact: FactId, context: Context) -> Iterable[Draft]:
        target, grantee = fact.target, fact.name[-1]
        owner = _owner(target, context.goal) or _owner(target, context.live)
        usual = default_privileges_of(target, grantee, owner, context.version)
        held = usual
        if fact in context.live and target not in context.creates:
            held = _privileges(context.old(fact))
        wanted = _privileges(context.new(fact)) if fact in context.goal else usual
        where = self._place(target)
        lost = {privilege.removesuffix(_GRANT_OPTION) for privilege in held} - {
            privilege.removesuffix(_GRANT_OPTION) for privilege in wanted
        }
        if lost:
            yield Draft(sql=self._text("REVOKE {} ON {} FROM {}", lost, target, where, grantee))
        options = {
            privilege.removesuffix(_GRANT_OPTION)
            for privilege in held - wanted
            if privilege.endswith(_GRANT_OPTION) and privilege.removesuffix(_GRANT_OPTION) in wanted
        }
        if options:
            yield Draft(sql=self._text("REVOKE GRANT OPTION FOR {} ON {} FROM {}", options, target, where, grantee))
        plain = {privilege for privilege in wanted - held if not privilege.endswith(_GRANT_OPTION)}
        if refound := plain - options:
            yield self._grant(fact, "GRANT {} ON {} TO {}", refound, where)
        granted = {p.removesuffix(_GRANT_OPTION) for p in wanted - held if p.endswith(_GRANT_OPTION)}
        if granted:
            yield self._grant(fact, "GRANT {} ON {} TO {} WITH GRANT OPTION", granted, where)

    def _grant(self, fact: FactId, template: LiteralString, privileges: set[str], where: Part) -> Draft:
        target, grantee = fact.target, fact.name[-1]
        found = (hazards.opens_access(fact, "everybody may"),) if not grantee else ()
        return Draft(sql=self._text(template, privileges, target, where, grantee), hazards=found)

    def _text(self, template: LiteralString, privileges: set[str], target: FactId, where: Part, grantee: str) -> str:
        words: list[Part] = [raw(privilege) for privilege in sorted(privileges)]
        if target.kind == "column":
            words = [raw(compose("{} ({})", word, name(target.name[2]))) for word in words]
        return compose(template, joined(words), where, role(grantee))

    def _place(self, target: FactId) -> Part:
        if target.kind in _RELATIONS:
            return raw(compose("TABLE {}", name(*target.name)))
        if target.kind == "column":
            return raw(compose("TABLE {}", name(*target.name[:2])))
        if target.kind == "aggregate":
            return object_phrase(FactId("function", target.name))
        if target.kind == "foreign_server":
            return raw(compose("FOREIGN SERVER {}", name(*target.name)))
        return object_phrase(target)


def _privileges(definition: Definition) -> frozenset[str]:
    return frozenset(cast("list[str]", definition["privileges"]))
