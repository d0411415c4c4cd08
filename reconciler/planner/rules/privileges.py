"""Privileges: one fact a grantee, and only where they are not what the grantee has by default. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString, cast

from reconciler.db.sqlfiles import trusted
from reconciler.hazards import hazards
from reconciler.model.facts import FactId
from reconciler.model.privileges import (
    DEFAULT_LETTERS,
    DEFAULT_OBJECTS,
    GRANT_OPTION,
    GRANT_RELATIONS,
    default_privileges_of,
    granted_by,
    grantor_of,
    of_owner,
    usual_defaults,
)
from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.object_names import called_with, object_phrase
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw, role

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from reconciler.model.facts import Definition
    from reconciler.model.snapshot import Snapshot
    from reconciler.planner.core.context import Context

__all__ = ["DefaultPrivilegesRule", "PrivilegesRule", "unasked_privileges"]


def _owner(target: FactId, state: Snapshot) -> str | None:
    found = state.find(FactId("owner", (target.kind, *target.name)))
    return str(found["role"]) if found else None


def _is_made(target: FactId, context: Context) -> bool:
    """Whether the plan creates the object, also by replacing it: then its owner is set again."""
    return target in context.creates or FactId("owner", (target.kind, *target.name)) in context.creates


def _bare(privileges: Iterable[str]) -> frozenset[str]:
    return frozenset(privilege.removesuffix(GRANT_OPTION) for privilege in privileges)


def _default_held(entry: FactId, grantee: str, context: Context) -> frozenset[str]:
    """What default privileges give to an object that the plan makes: those that go or shrink have done so by then."""
    fact = FactId("privileges", (entry.kind, *entry.name, grantee))
    usual = usual_defaults(entry, grantee, context.version)
    old = _privileges(context.old(fact)) if fact in context.live else usual
    new = _privileges(context.new(fact)) if fact in context.goal else usual
    if fact in context.creates and fact in context.drops:
        return _remaining(old, new)
    return new if fact in context.drops else old


def _remaining(old: frozenset[str], new: frozenset[str]) -> frozenset[str]:
    """What is left when all that goes has gone."""
    return frozenset(privilege for privilege in old if privilege in new) | (_bare(old) & _bare(new))


def _grantees(target: FactId, context: Context) -> set[str]:
    """Who gets privileges on a new object from default privileges of the user that makes it."""
    letter = DEFAULT_LETTERS.get(target.kind)
    if letter is None:
        return set()
    return {
        grantee
        for role_name, schema, kind, grantee in context.default_entries()
        if (role_name, kind) == (context.current_user, letter) and schema in ("", target.name[0])
    }


def _held_when_made(target: FactId, grantee: str, owner: str | None, context: Context) -> frozenset[str]:
    """What `grantee` may do with an object that the plan made and gave to its owner."""
    letter, maker = DEFAULT_LETTERS.get(target.kind), context.current_user
    if letter is None:
        return default_privileges_of(target, grantee, owner, context.version)

    def given(to: str) -> frozenset[str]:
        found = _default_held(FactId("default_privileges", (maker, "", letter)), to, context)
        if letter != "n":
            found |= _default_held(FactId("default_privileges", (maker, target.name[0], letter)), to, context)
        return found

    if owner is None or owner == maker:
        return given(grantee)
    if grantee == maker:
        return frozenset()
    return given(owner) | given(maker) if grantee == owner else given(grantee)


def unasked_privileges(target: FactId, context: Context) -> Iterable[StatementDraft]:
    """Takes back what default privileges gave to a new object though the goal does not have it."""
    if _is_made(target, context):
        rule = PrivilegesRule()
        owner = _owner(target, context.goal)
        for grantee in sorted(_grantees(target, context) | ({owner} if owner else set())):
            fact = FactId("privileges", (target.kind, *target.name, grantee))
            if fact not in context.goal:
                yield from rule.change(fact, context)


class DefaultPrivilegesRule(Rule):
    """Entries of default privileges: they are nothing but the privileges in them."""

    kinds = ("default_privileges",)
    rank = 99

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        return ()

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """What is folded into the entry's end."""
        rule = PrivilegesRule()
        for child in context.live.children.get(fact, ()):
            if child.kind == "privileges":
                yield from rule.drop(child, context)


class PrivilegesRule(Rule):
    """GRANT and REVOKE: only what differs. Default privileges shrink before all else and grow after it."""

    kinds = ("privileges",)
    rank = 95

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        return self.change(fact, context)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        if fact.target.kind == "default_privileges" and fact in context.creates:
            old, new = _privileges(context.old(fact)), _privileges(context.new(fact))
            return self._statements(fact, old, _remaining(old, new), context)
        return () if fact in context.creates or _is_made(fact.target, context) else self.change(fact, context)

    def in_place(self, fact: FactId, context: Context) -> bool:
        return fact.target.kind != "default_privileges"

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.change(fact, context)

    def recreate_around_alter(self, fact: FactId, context: Context) -> Iterable[FactId]:
        return self.cascades_to(fact, context)

    def cascades_to(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """A REVOKE on a table takes the grantee's privileges on its columns along."""
        if fact.target.kind in GRANT_RELATIONS and fact.target in context.live:
            for column in context.live.children.get(fact.target, ()):
                other = FactId("privileges", (column.kind, *column.name, fact.name[-1]))
                if column.kind == "column" and other in context.live:
                    yield other

    def after_create_of(self, fact: FactId, context: Context) -> Iterable[FactId]:
        """After the owner, whose own privileges come and go with ownership; a table's before its columns'; who
        grants must have got the right to it.
        """
        target = fact.target
        if fact in context.goal:
            for grantor in {by for each in _privileges(context.new(fact)) if (by := grantor_of(each)) is not None}:
                yield from (other for other in _of_grantor(target, grantor, context.goal) if other != fact)
        yield FactId("owner", (target.kind, *target.name))
        if target.kind == "column":
            table = context.goal.parent(target)
            if table is not None:
                yield FactId("privileges", (table.kind, *table.name, fact.name[-1]))

    def change(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        """From what the grantee has at this point of the plan to what the goal says."""
        target, grantee = fact.target, fact.name[-1]
        owner = _owner(target, context.goal) or _owner(target, context.live)
        usual = default_privileges_of(target, grantee, owner, context.version)
        wanted = _privileges(context.new(fact)) if fact in context.goal else usual
        if target.kind == "default_privileges":
            held = _privileges(context.old(fact)) if fact in context.live else usual
            if fact in context.creates and fact in context.live:
                held = _remaining(held, wanted)
        elif _is_made(target, context):
            held = _held_when_made(target, grantee, owner, context)
        elif fact in context.live and fact not in context.creates:
            held = _privileges(context.old(fact))
        else:
            held = usual
        return self._statements(fact, held, wanted, context)

    def _statements(
        self, fact: FactId, held: frozenset[str], wanted: frozenset[str], context: Context
    ) -> Iterable[StatementDraft]:
        target, grantee = fact.target, fact.name[-1]
        where = self._place(target)
        for grantor in sorted({grantor_of(each) for each in held | wanted}, key=lambda by: by or ""):
            had = frozenset(granted_by(each, None) for each in held if grantor_of(each) == grantor)
            gets = frozenset(granted_by(each, None) for each in wanted if grantor_of(each) == grantor)
            lost = _bare(had) - _bare(gets)
            if grantor is not None:
                lost = frozenset(each for each in lost if _may_grant_on(target, grantor, each, context.goal))
            if lost:
                cascade = self._cascades(fact, lost, context)
                text = self._text("REVOKE {} ON {} FROM {}{}", lost, target, where, grantee, cascade)
                yield StatementDraft(sql=_acting_as(grantor, text))
            options = {
                privilege.removesuffix(GRANT_OPTION)
                for privilege in had - gets
                if privilege.endswith(GRANT_OPTION) and privilege.removesuffix(GRANT_OPTION) in gets
            }
            if options:
                cascade = self._cascades(fact, options, context)
                text = self._text(
                    "REVOKE GRANT OPTION FOR {} ON {} FROM {}{}", options, target, where, grantee, cascade
                )
                yield StatementDraft(sql=_acting_as(grantor, text))
            plain = {privilege for privilege in gets - had if not privilege.endswith(GRANT_OPTION)}
            if refound := plain - options:
                yield self._grant(fact, "GRANT {} ON {} TO {}{}", refound, where, grantor)
            granted = {each.removesuffix(GRANT_OPTION) for each in gets - had if each.endswith(GRANT_OPTION)}
            if granted:
                yield self._grant(fact, "GRANT {} ON {} TO {}{} WITH GRANT OPTION", granted, where, grantor)

    def _cascades(self, fact: FactId, privileges: Collection[str], context: Context) -> Part:
        """CASCADE where live has what the grantee granted in turn: the goal has none of it then."""
        target, grantee = fact.target, fact.name[-1]
        below = [target, *(each for each in context.live.children.get(target, ()) if each.kind == "column")]
        for each in (child for one in below for child in context.live.children.get(one, ())):
            if each.kind == "privileges" and any(
                grantor_of(held) == grantee and granted_by(held, None).removesuffix(GRANT_OPTION) in privileges
                for held in _privileges(context.old(each))
            ):
                return raw(" CASCADE")
        return raw("")

    def _grant(
        self, fact: FactId, template: LiteralString, privileges: Collection[str], where: Part, grantor: str | None
    ) -> StatementDraft:
        target, grantee = fact.target, fact.name[-1]
        found = (hazards.opens_access(fact, f"PUBLIC gets {', '.join(sorted(privileges))}"),) if not grantee else ()
        text = self._text(template, privileges, target, where, grantee, raw(""))
        return StatementDraft(sql=_acting_as(grantor, text), hazards=found)

    def _text(
        self,
        template: LiteralString,
        privileges: Collection[str],
        target: FactId,
        where: Part,
        grantee: str,
        cascade: Part,
    ) -> str:
        if target.kind == "default_privileges":
            role_name, schema, _ = target.name
            within = raw(compose(" IN SCHEMA {}", name(schema)) if schema else "")
            prefix = compose("ALTER DEFAULT PRIVILEGES FOR ROLE {}{}", role(role_name), within)
            template = trusted(prefix.replace("{", "{{").replace("}", "}}") + " " + template)
        words: list[Part] = [raw(privilege) for privilege in sorted(privileges)]
        if target.kind == "column":
            words = [raw(compose("{} ({})", word, name(target.name[2]))) for word in words]
        return compose(template, joined(words), where, role(grantee), cascade)

    def _place(self, target: FactId) -> Part:
        if target.kind == "default_privileges":
            return raw(DEFAULT_OBJECTS[target.name[2]][0])
        if target.kind in GRANT_RELATIONS:
            return raw(compose("TABLE {}", name(*target.name)))
        if target.kind == "column":
            return raw(compose("TABLE {}", name(*target.name[:2])))
        if target.kind == "aggregate":
            arguments = called_with(target.name[2])
            return object_phrase(FactId("function", (*target.name[:2], arguments)))
        if target.kind == "foreign_server":
            return raw(compose("FOREIGN SERVER {}", name(*target.name)))
        return object_phrase(target)


def _of_grantor(target: FactId, grantor: str, state: Snapshot) -> Iterable[FactId]:
    """What the grantor has of the object: its right to grant it. A table's is for its columns too."""
    table = state.parent(target) if target.kind == "column" else None
    for each in (target, *((table,) if table is not None else ())):
        fact = FactId("privileges", (each.kind, *each.name, grantor))
        if fact in state:
            yield fact


def _may_grant_on(target: FactId, grantor: str, privilege: str, state: Snapshot) -> bool:
    """Where it may not any more, what it granted went along with its right to it."""
    held = {each for fact in _of_grantor(target, grantor, state) for each in _privileges(state.definition(fact))}
    owner = _owner(target, state)
    return owner == grantor or f"{privilege}{GRANT_OPTION}" in of_owner(held)


def _acting_as(grantor: str | None, text: str) -> str:
    """The statement as that role runs it, whatever role is set; None: as we do, which counts as the owner's.

    No block, whose body may not be shown where a name in it looks like a secret's.
    """
    if grantor is None:
        return text
    return compose(
        "SELECT pg_catalog.set_config('reconciler.role', pg_catalog.current_setting('role'), true);\n"
        "SET LOCAL ROLE {};\n{};\n"
        "SELECT pg_catalog.set_config('role', pg_catalog.current_setting('reconciler.role'), true)",
        role(grantor),
        raw(text),
    )


def _privileges(definition: Definition) -> frozenset[str]:
    return frozenset(cast("list[str]", definition["privileges"]))
