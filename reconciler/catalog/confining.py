"""Statements in a copy of live that could call what other roles have made, run so that it leaves nothing. Does I/O.

In a copy the routines of others run as these (SECURITY DEFINER), which does not hold them: they may open a cursor or
queue a trigger that runs at the commit, as whoever commits, set what quotes mean, or make themselves run as whoever
calls them. So a statement whose words lead to them is confined (`db/confined.py`), and their routines are looked at
when it has run. Words alone decide: one that is confined for nothing does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from reconciler.catalog.others import read_others
from reconciler.db.confined import run_confined
from reconciler.db.connections import current_user, fetch_all, fetch_one, transaction
from reconciler.db.sqlfiles import read_sql, trusted
from reconciler.db.statements import run_as_written
from reconciler.errors import ApplyError
from reconciler.model.facts import SATELLITE_KINDS
from reconciler.sqltext.lexer import lexemes
from reconciler.sqltext.subjects import unquoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.db.connections import Connection
    from reconciler.model.facts import FactId
    from reconciler.model.plan import Statement

__all__ = ["Confining", "words_in"]

# These call nothing while they are made or said.
_CALL_NOTHING = SATELLITE_KINDS | {"function", "procedure", "schema", "sequence", "owned_by", "view", "rule", "policy"}
_ROUTINES = """
    select pg_catalog.md5(pg_catalog.string_agg(p::pg_catalog.text, ' ' order by p.oid))
    from pg_catalog.pg_proc p
    where pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text operator(pg_catalog.=) any (%s)
        and p.prokind operator(pg_catalog.<>) 'a'
"""


class Confining:
    """Runs the statements of one copy; `owned` are those objects of live that belong to others."""

    def __init__(self, connection: Connection, owned: Iterable[FactId], search_path: str) -> None:
        self._user = current_user(connection)
        self.search_path = search_path
        self._roles = sorted(read_others(connection).roles)
        rows = fetch_all(connection, trusted(read_sql("apply/others_named.sql")), {"others": self._roles})
        self._names = {str(name) for (name,) in rows if name is not None}
        kinds: set[str] = set()
        for fact in owned:
            self._names.add(_name(fact))
            kinds.add(fact.kind)
        self._is_any = "operator" in kinds or any(not name.replace("_", "a").isalnum() for name in self._names)

    def run(self, connection: Connection, statement: Statement) -> None:
        """Runs it as it is rehearsed. Raises psycopg's errors, ApplyError where it changed a routine of others."""
        facts = (*statement.creates, *statement.alters)
        calls_nothing = bool(facts) and all(fact.kind in _CALL_NOTHING for fact in facts)
        if not self._note(statement, facts) or calls_nothing:
            run_as_written(connection, statement)
            return
        text = statement.text if statement.rehearsal is None else statement.rehearsal
        if not text:
            return
        with transaction(connection):
            before = fetch_one(connection, _ROUTINES, (self._roles,))
            try:
                run_confined(connection, self._user, text, self.search_path)
            except psycopg.Error as exc:
                if statement.masked:
                    exc.args = (statement.concealed(exc.diag.message_primary or type(exc).__name__),)
                raise
            if fetch_one(connection, _ROUTINES, (self._roles,)) != before:
                raise ApplyError(
                    "a routine of another role changed routines while it was called",
                    hint="look at what the routines do that the statement, its tables and types lead to",
                    statement=statement.sql,
                )

    def _note(self, statement: Statement, facts: Iterable[FactId]) -> bool:
        """Whether it leads to what others have made; then so does what it makes."""
        if not self._is_any and self._names.isdisjoint(words_in(statement.text)):
            return False
        self._names.update(map(_name, facts))
        return True


def words_in(text: str) -> set[str]:
    """The words of a statement, as the catalogs hold names."""
    return {unquoted(token) for token in lexemes(text)}


def _name(fact: FactId) -> str:
    """The object's own name, without its schema; of a part that of what it belongs to."""
    while fact.kind in SATELLITE_KINDS:
        fact = fact.target
    return fact.name[min(1, len(fact.name) - 1)]
