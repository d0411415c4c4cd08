"""How SQL names the object of a fact, e.g. in COMMENT ON and ALTER ... OWNER TO. Pure: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, LiteralString

from reconciler.planner.sql.quoting import Part, compose, joined, name, raw

if TYPE_CHECKING:
    from reconciler.model.facts import FactId

__all__ = ["called_with", "object_phrase", "qualified", "routine"]

_QUALIFIED: dict[str, LiteralString] = {
    "table": "TABLE {}",
    "foreign_table": "FOREIGN TABLE {}",
    "view": "VIEW {}",
    "materialized_view": "MATERIALIZED VIEW {}",
    "sequence": "SEQUENCE {}",
    "composite_type": "TYPE {}",
    "enum": "TYPE {}",
    "range_type": "TYPE {}",
    "base_type": "TYPE {}",
    "domain": "DOMAIN {}",
    "collation": "COLLATION {}",
    "conversion": "CONVERSION {}",
    "statistics": "STATISTICS {}",
    "text_search_configuration": "TEXT SEARCH CONFIGURATION {}",
    "text_search_dictionary": "TEXT SEARCH DICTIONARY {}",
    "text_search_parser": "TEXT SEARCH PARSER {}",
    "text_search_template": "TEXT SEARCH TEMPLATE {}",
}
_PLAIN: dict[str, LiteralString] = {
    "schema": "SCHEMA {}",
    "extension": "EXTENSION {}",
    "access_method": "ACCESS METHOD {}",
    "event_trigger": "EVENT TRIGGER {}",
    "foreign_data_wrapper": "FOREIGN DATA WRAPPER {}",
    "foreign_server": "SERVER {}",
    "language": "LANGUAGE {}",
    "publication": "PUBLICATION {}",
    "subscription": "SUBSCRIPTION {}",
}
_ON_TABLE: dict[str, LiteralString] = {
    "constraint": "CONSTRAINT {} ON {}",
    "trigger": "TRIGGER {} ON {}",
    "rule": "RULE {} ON {}",
    "policy": "POLICY {} ON {}",
}
_ROUTINE: dict[str, LiteralString] = {
    "function": "FUNCTION {}",
    "procedure": "PROCEDURE {}",
    "aggregate": "AGGREGATE {}",
}
_ORDER_BY = re.compile(r'"(?:[^"]|"")*"|(?:^| )ORDER BY ')
_ACCESS_METHOD: dict[str, LiteralString] = {
    "operator_class": "OPERATOR CLASS {} USING {}",
    "operator_family": "OPERATOR FAMILY {} USING {}",
}


def qualified(fact: FactId) -> Part:
    """The schema-qualified name of the relation or type that the fact is, or is a part of."""
    return name(*fact.name[:2])


def routine(fact: FactId) -> Part:
    """A routine's name with its identity arguments; an aggregate without arguments has a star."""
    arguments = fact.name[2] or ("*" if fact.kind == "aggregate" else "")
    return raw(compose("{}({})", name(*fact.name[:2]), raw(arguments)))


def called_with(arguments: str) -> str:
    """An aggregate's arguments as GRANT wants them: without ORDER BY, and what stands on both sides once."""
    for found in _ORDER_BY.finditer(arguments):
        if not found[0].startswith('"'):
            direct, aggregated = arguments[: found.start()], arguments[found.end() :]
            if aggregated.startswith("VARIADIC ") and direct.endswith(aggregated):
                return direct
            return ", ".join(part for part in (direct, aggregated) if part)
    return arguments


def object_phrase(fact: FactId) -> Part:
    """What follows COMMENT ON for this fact; for most kinds also what follows ALTER and DROP.

    Raises KeyError for a kind that SQL cannot name so.
    """
    kind, parts = fact.kind, fact.name
    if kind in _QUALIFIED:
        text = compose(_QUALIFIED[kind], name(*parts))
    elif kind in _PLAIN:
        text = compose(_PLAIN[kind], name(*parts))
    elif kind in _ON_TABLE:
        text = compose(_ON_TABLE[kind], name(parts[2]), name(*parts[:2]))
    elif kind in _ROUTINE:
        text = compose(_ROUTINE[kind], routine(fact))
    elif kind in _ACCESS_METHOD:
        text = compose(_ACCESS_METHOD[kind], name(*parts[:2]), name(parts[2]))
    elif kind == "column":
        text = compose("COLUMN {}", name(*parts))
    elif kind == "index":
        text = compose("INDEX {}", name(parts[0], parts[2]))
    elif kind == "domain_constraint":
        text = compose("CONSTRAINT {} ON DOMAIN {}", name(parts[2]), name(*parts[:2]))
    elif kind == "operator":
        operands = joined([raw(operand or "NONE") for operand in parts[2:]])
        text = compose("OPERATOR {}.{}({})", name(parts[0]), raw(parts[1]), operands)
    elif kind == "cast":
        text = compose("CAST ({} AS {})", raw(parts[0]), raw(parts[1]))
    elif kind == "transform":
        text = compose("TRANSFORM FOR {} LANGUAGE {}", raw(parts[0]), name(parts[1]))
    else:
        raise KeyError(kind)
    return raw(text)


def split_name(qualified_name: str) -> tuple[str, ...]:
    """The parts of a name that Postgres quoted."""
    parts = re.findall(r'"((?:[^"]|"")*)"|([^."]+)', qualified_name)
    return tuple(quoted.replace('""', '"') if quoted else plain for quoted, plain in parts)
