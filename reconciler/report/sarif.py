"""A plan's hazards as SARIF 2.1.0, which code reviews show beside the source. Pure: no I/O.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. What is refused is an error, what was allowed a note,
the rest a warning.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from reconciler.hazards.hazards import describe_size
from reconciler.hazards.policy import Verdict, consent_for, verdict_on
from reconciler.model.hazards import KINDS
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import Statement
    from reconciler.results import PlanResult
    from reconciler.source.places import Places

__all__ = ["log"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_UNMODELLED = "unmodelled"
_LEVELS = {Verdict.REFUSE: "error", Verdict.ALLOW: "note", None: "warning"}


def log(planned: PlanResult, places: Places, *, version: str) -> dict[str, object]:
    """The whole log, with one run; `places` say where the source declares an object."""
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "reconciler", "version": version, "rules": _rules()}},
                "results": [*_hazards(planned, places), *_unmodelled(planned, places)],
            }
        ],
    }


def _rules() -> list[dict[str, object]]:
    found = [
        _rule(kind.value.replace("_", "-"), meaning.title, meaning.text, "error" if meaning.is_refused else "warning")
        for kind, meaning in KINDS.items()
    ]
    text = "No statement of the plan makes this change: make it manually, or continue without it."
    return [*found, _rule(_UNMODELLED, "Unsupported change", text, "error")]


def _rule(name: str, title: str, text: str, level: str) -> dict[str, object]:
    return {
        "id": name,
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "defaultConfiguration": {"level": level},
    }


def _hazards(planned: PlanResult, places: Places) -> Iterable[dict[str, object]]:
    options = planned.options
    for position, statement in enumerate(planned.plan.statements, start=1):
        for hazard in statement.hazards:
            verdict = verdict_on(hazard, options.allow, options.hazard_rules)
            size = describe_size(hazard.size)
            message = f"{hazard.message}{f' ({size})' if size else ''}"
            if verdict is Verdict.REFUSE:
                message += f"; allow it with --allow {consent_for(hazard)}"
            rule = hazard.kind.value.replace("_", "-")
            yield {
                **_result(rule, _LEVELS[verdict], message, hazard.fact, places),
                "properties": _properties(position, statement, hazard),
            }


def _properties(position: int, statement: Statement, hazard: Hazard) -> dict[str, object]:
    return {
        "position": position,
        "sql": redact_sql(statement.sql),
        "lock": statement.lock.value if statement.lock else None,
        "rows": hazard.size.rows if hazard.size else None,
        "bytes": hazard.size.bytes if hazard.size else None,
    }


def _unmodelled(planned: PlanResult, places: Places) -> Iterable[dict[str, object]]:
    for difference in planned.plan.unmodelled:
        message = f"{difference.change} {difference.fact}: unsupported change"
        yield _result(_UNMODELLED, "error", message, difference.fact, places)


def _result(rule: str, level: str, message: str, fact: FactId, places: Places) -> dict[str, object]:
    location: dict[str, object] = {"logicalLocations": [{"fullyQualifiedName": fact.key, "kind": fact.kind}]}
    place = places.of(fact)
    if place is not None and _is_file(place.origin):
        location["physicalLocation"] = {
            "artifactLocation": {"uri": quote(place.origin)},
            "region": {"startLine": place.line},
        }
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": message},
        "locations": [location],
        "partialFingerprints": {"hazard/v1": hashlib.sha256(f"{rule}\0{fact.key}".encode()).hexdigest()},
    }


def _is_file(origin: str) -> bool:
    """Whether the origin is a path; a text, a command or a Python object has none."""
    return not origin.startswith(("<", "cmd:", "python:"))
