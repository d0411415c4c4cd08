"""Text search: parsers, templates, dictionaries and configurations. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from reconciler.planner.core.rule import Rule, StatementDraft
from reconciler.planner.sql.object_names import object_phrase, qualified
from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from reconciler.model.facts import Definition, FactId
    from reconciler.planner.core.context import Context

__all__ = [
    "TextSearchConfigurationRule",
    "TextSearchDictionaryRule",
    "TextSearchParserRule",
    "TextSearchTemplateRule",
]

_PARSER = {
    "start": "START",
    "get_token": "GETTOKEN",
    "end": "END",
    "lex_types": "LEXTYPES",
    "headline": "HEADLINE",
}
_TEMPLATE = {"init": "INIT", "lexize": "LEXIZE"}
_OPTION = re.compile(r'((?:"(?:[^"]|"")*"|[^\s="]+)) = (.*)', re.DOTALL)


def _assignments(words: dict[str, str], definition: Definition) -> Part:
    found: list[Part] = [raw(f"{word} = {definition[key]}") for key, word in words.items() if key in definition]
    return joined(found)


class _TextSearchRule(Rule):
    def unique_names(self, fact: FactId, definition: Definition) -> Iterable[tuple[str, ...]]:
        yield (fact.kind, *fact.name)


class TextSearchParserRule(_TextSearchRule):
    """Parsers: any change makes a new one."""

    kinds = ("text_search_parser",)
    rank = 33

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        functions = _assignments(_PARSER, context.new(fact))
        yield StatementDraft(sql=compose("CREATE TEXT SEARCH PARSER {} ({})", qualified(fact), functions))


class TextSearchTemplateRule(_TextSearchRule):
    """Templates of dictionaries: any change makes a new one."""

    kinds = ("text_search_template",)
    rank = 34

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        functions = _assignments(_TEMPLATE, context.new(fact))
        yield StatementDraft(sql=compose("CREATE TEXT SEARCH TEMPLATE {} ({})", qualified(fact), functions))


class TextSearchDictionaryRule(_TextSearchRule):
    """Dictionaries: options change in place, the template does not."""

    kinds = ("text_search_dictionary",)
    rank = 35

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parts: list[Part] = [raw(f"TEMPLATE = {new['template']}")]
        parts += [raw(f"{option} = {value}") for option, value in self._options(new).items()]
        yield StatementDraft(sql=compose("CREATE TEXT SEARCH DICTIONARY {} ({})", qualified(fact), joined(parts)))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return context.changed(fact) <= {"options"}

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new = self._options(context.old(fact)), self._options(context.new(fact))
        kept = [option for option in old if new.get(option) == old[option]]
        # What is set again becomes last; where that is not the declared order, all are set again.
        if list(new)[: len(kept)] != kept:
            kept = []
        parts: list[Part] = [raw(option) for option in old if option not in new]
        parts += [raw(f"{option} = {value}") for option, value in new.items() if option not in kept]
        if parts:
            yield StatementDraft(sql=compose("ALTER {} ({})", object_phrase(fact), joined(parts)))

    def _options(self, definition: Definition) -> dict[str, str]:
        found = [_OPTION.fullmatch(option) for option in cast("list[str]", definition.get("options", []))]
        return {match[1]: match[2] for match in found if match is not None}


class TextSearchConfigurationRule(_TextSearchRule):
    """Configurations: mappings change in place, the parser does not."""

    kinds = ("text_search_configuration",)
    rank = 36

    def create(self, fact: FactId, folded: Sequence[FactId], context: Context) -> Iterable[StatementDraft]:
        new = context.new(fact)
        parser = raw(str(new["parser"]))
        yield StatementDraft(sql=compose("CREATE TEXT SEARCH CONFIGURATION {} (PARSER = {})", qualified(fact), parser))
        yield from self._map(fact, "ADD", self._mappings(new))

    def in_place(self, fact: FactId, context: Context) -> bool:
        return context.changed(fact) <= {"mappings"}

    def alter(self, fact: FactId, context: Context) -> Iterable[StatementDraft]:
        old, new = self._mappings(context.old(fact)), self._mappings(context.new(fact))
        if gone := [token for token in old if token not in new]:
            tokens = joined([name(token) for token in gone])
            yield StatementDraft(sql=compose("ALTER {} DROP MAPPING FOR {}", object_phrase(fact), tokens))
        moved = {token: names for token, names in new.items() if token in old and old[token] != names}
        yield from self._map(fact, "ALTER", moved)
        yield from self._map(fact, "ADD", {token: names for token, names in new.items() if token not in old})

    def _map(self, fact: FactId, verb: str, mappings: dict[str, tuple[str, ...]]) -> Iterable[StatementDraft]:
        """One statement for all the tokens that ask the same dictionaries."""
        tokens_of: dict[tuple[str, ...], list[Part]] = {}
        for token, names in mappings.items():
            tokens_of.setdefault(names, []).append(name(token))
        for names, tokens in tokens_of.items():
            dictionaries = joined([raw(dictionary) for dictionary in names])
            phrase, verb_part = object_phrase(fact), raw(verb)
            text = compose("ALTER {} {} MAPPING FOR {} WITH {}", phrase, verb_part, joined(tokens), dictionaries)
            yield StatementDraft(sql=text)

    def _mappings(self, definition: Definition) -> dict[str, tuple[str, ...]]:
        rows = cast("list[dict[str, object]]", definition.get("mappings", []))
        return {str(row["token"]): tuple(cast("list[str]", row["dictionaries"])) for row in rows}
