"""A plan's hazards, and what drifted, as SARIF 2.1.0, which code reviews show beside the source. Pure: no I/O.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. What is refused is an error, what was allowed a note,
the rest a warning. Drift is an error, and a note where it is acknowledged.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from reconciler.hazards.hazards import describe_size
from reconciler.hazards.policy import Verdict, consent_for, verdict_on
from reconciler.model.hazards import KINDS
from reconciler.model.incidents import IncidentStatus
from reconciler.report.audit import attribution_value
from reconciler.sqltext.redacted_sql import redact_sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.model.facts import FactId
    from reconciler.model.hazards import Hazard
    from reconciler.model.plan import Statement
    from reconciler.results import CheckResult, PlanResult
    from reconciler.source.places import Places

__all__ = ["check_log", "log"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_UNMODELLED = "unmodelled"
_LEVELS = {Verdict.REFUSE: "error", Verdict.ALLOW: "note", None: "warning"}


def log(planned: PlanResult, places: Places, *, version: str) -> dict[str, object]:
    """The whole log, with one run; `places` say where the source declares an object."""
    return _log(_rules(), [*_hazards(planned, places), *_unmodelled(planned, places)], version)


def check_log(results: Iterable[CheckResult], places: Places, *, version: str) -> dict[str, object]:
    """The same of what drifted, with who did it, when and how, where a log of DDL tells."""
    rules = [_rule(name, title, text, "error") for name, (title, text) in _DRIFT.items()]
    return _log(rules, [found for result in results for found in _drifted(result, places)], version)


_DRIFT = {
    "drift": ("Changed by hand", "The live database is not as it was recorded, and the declaration did not change."),
    "conflict": ("Changed twice", "The live database and the declaration changed, differently."),
}


def _log(rules: list[dict[str, object]], results: list[dict[str, object]], version: str) -> dict[str, object]:
    driver = {"name": "reconciler", "version": version, "rules": rules}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _drifted(result: CheckResult, places: Places) -> Iterable[dict[str, object]]:
    incidents = result.incidents.standing if result.incidents is not None else ()
    known = {each.fact for each in incidents if each.status is IncidentStatus.ACKNOWLEDGED}
    for each in result.drift:
        whose = result.attributions.get(each.fact)
        message = f"{each.fact} {each.change.value}{f' {whose}' if whose is not None else ''}"
        rule, level = "conflict" if each.is_conflict else "drift", "note" if each.fact in known else "error"
        last = whose.entries[-1] if whose is not None and whose.entries else None
        yield {
            **_result(rule, level, message, each.fact, places),
            "properties": {
                "plugin": result.plugin,
                "author": last.actor.login_role if last is not None else None,
                "at": whose.last_at.isoformat() if whose is not None and whose.last_at is not None else None,
                "statement": last.statement if last is not None else None,
                "attribution": attribution_value(whose),
            },
        }


def _rules() -> list[dict[str, object]]:
    found = [
        _rule(kind.word, meaning.title, meaning.text, "error" if meaning.is_refused else "warning")
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
            rule = hazard.kind.word
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
