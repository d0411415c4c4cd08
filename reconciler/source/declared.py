"""Which objects of the database as a whole a source creates, told from its statements. Pure: no I/O.

In a scratch inside the live database such objects are there before the source runs, and a statement that creates one
changes nothing. So the catalogs do not tell whether the source declares it; the statement's first words do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.model.facts import DATABASE_WIDE_KINDS, FactId
from reconciler.source.screening import leading_keywords
from reconciler.source.source import Source
from reconciler.sqltext.lexer import tokens
from reconciler.sqltext.subjects import subject_of

if TYPE_CHECKING:
    from reconciler.source.source import AnySource

__all__ = ["Declared", "declared_by"]

_WORDS = {"foreign_server": "server"}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """`created` by a statement of its own, `conditional` with IF NOT EXISTS; `blocks` are what only a server reads."""

    created: frozenset[FactId] = frozenset()
    conditional: frozenset[FactId] = frozenset()
    blocks: tuple[str, ...] = ()

    def may_name(self, fact: FactId) -> bool:
        """Whether a statement creates the object, or may: a DO block that speaks of such a kind, and of its name."""
        if fact in self.created or fact in self.conditional:
            return True
        words = _WORDS.get(fact.kind, fact.kind.replace("_", " "))
        named = fact.name[0].lower() if len(fact.name) == 1 else ""
        return any(words in text and named in text for text in self.blocks)


def declared_by(source: AnySource) -> Declared:
    """What the statements of the source create; nothing for another database, which is read and not built."""
    created: set[FactId] = set()
    conditional: set[FactId] = set()
    blocks: list[str] = []
    if isinstance(source, Source):
        for statement in source.statements:
            words = leading_keywords(statement.sql)
            if words[:1] == ("DO",) or words[:3] == ("CREATE", "USER", "MAPPING"):
                blocks.append(" ".join(statement.sql.lower().split()))
            subject = subject_of(statement.sql) if words[:1] == ("CREATE",) else None
            if subject is not None and subject.kinds[0] in DATABASE_WIDE_KINDS:
                found = conditional if _is_conditional(statement.sql) else created
                found.add(FactId(subject.kinds[0], subject.name))
    return Declared(created=frozenset(created), conditional=frozenset(conditional - created), blocks=tuple(blocks))


def _is_conditional(sql: str) -> bool:
    words = [token.keyword for token in tokens(sql)]
    return any(words[at : at + 3] == ["IF", "NOT", "EXISTS"] for at in range(2, 6))
