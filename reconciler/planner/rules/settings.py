"""Settings of databases and roles. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw, role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import FactId
    from reconciler.planner.core.context import Context

__all__ = ["SettingRule"]


class SettingRule(Rule):
    """Settings of this database, and of roles in it.

    ALTER DATABASE wants a name, but a plan is rehearsed in a copy that has another one: each asks where it is.
    """

    kinds = ("database_setting", "role_setting")
    rank = 97

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        value = str(context.new(fact)["value"])
        setting = fact.name[-1]
        values = _list_items(value) if setting.lower() in _LISTS else [value]
        text = compose("SET {} TO {}", self._name(setting), joined([literal(item) for item in values]))
        yield self._draft(fact, text)

    def drop(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        yield self._draft(fact, compose("RESET {}", self._name(fact.name[-1])))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return True

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        return self.create(fact, (), context)

    def _name(self, setting: str) -> Part:
        return name(*setting.split("."))

    def _draft(self, fact: FactId, change: str) -> StatementDraft:
        start = "ALTER DATABASE "
        if fact.kind == "role_setting":
            start = compose("ALTER ROLE {} IN DATABASE ", role(fact.name[0]))
        before, after = literal(start), literal(f" {change}")
        body = compose("BEGIN EXECUTE {} || quote_ident(current_database()) || {}; END", before, after)
        quoted = literal(body) if "$do$" in body else raw(f"$do$ {body} $do$")
        return StatementDraft(sql=compose("DO {}", quoted))


# Postgres quotes each item of these on its own (GUC_LIST_QUOTE), as pg_dump has to know too.
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)
_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,"\s]+))\s*(?:,|$)')


def _list_items(value: str) -> list[str]:
    return [found[1].replace('""', '"') if found[1] is not None else found[2] for found in _ITEM.finditer(value)]
