"""A plan as a file: made by `plan --out`, reviewed, run by `apply --plan`. Does no I/O.

A file that says what to run is code, and can be changed by whoever can write it. So nothing of it is run or believed:
it holds the declaration, for which the plan is made again, and the statements that were reviewed, which must be those
of that plan. Hazards, locks, checks and order are those of the new plan, consents those of the command that applies it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from reconciler.db.connections import transaction
from reconciler.errors import ConfigError, StalePlanError
from reconciler.ledger.migrations import Head
from reconciler.model.facts import canonical_json
from reconciler.model.value_kinds import FLAG, NUMBER, SIZE, TEXTS
from reconciler.options import Options
from reconciler.settings import stored
from reconciler.source.reading import masked_text, source_from_parts
from reconciler.source.source import Source, SourcePart
from reconciler.version import program_version
from reconciler.workflows.execute_plan import require_head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconciler.db.connections import Connection
    from reconciler.db.identity import DatabaseIdentity
    from reconciler.model.facts import Json
    from reconciler.model.plan import Statement
    from reconciler.results import PlanResult
    from reconciler.source.source import AnySource
    from reconciler.workflows.signatures import Signer, Verifier

__all__ = [
    "PLAN_FILE_FORMAT",
    "PLAN_FILE_VERSION",
    "ReviewedPlan",
    "dump_plan",
    "load_plan",
    "require_database",
    "require_reviewed",
    "require_unmoved",
]

PLAN_FILE_FORMAT = "reconciler/plan-file"
PLAN_FILE_VERSION = "3"

_AGAIN = "run `reconciler plan --out` again"
_UNTOUCHED = "nothing was changed"
_KEYS = frozenset(
    {
        "format",
        "format_version",
        "program_version",
        "database",
        "server_version",
        "plugin",
        "head",
        "fingerprints",
        "options",
        "source",
        "statements",
        "sha256",
    }
)
_SEALS = frozenset({"sha256", "signature"})
_STORED = {each.field: each for each in stored() if each.field is not None}
_USUAL = Options()
_Kind = TypeVar("_Kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedPlan:
    """What a plan file says: the declaration, and what it was found to lead to on which database."""

    plugin: str
    source: Source
    options: Mapping[str, Any]
    system_identifier: str | None
    database_oid: int
    database_name: str
    server_version: int
    head: Head
    live_fingerprint: str
    goal_fingerprint: str
    desired_fingerprint: str
    statements: tuple[Mapping[str, Json], ...]

    def options_with(self, now: Options) -> Options:
        """The options `now`, with those that the plan was made with."""
        return replace(now, **self.options)


def dump_plan(planned: PlanResult, source: AnySource, database: DatabaseIdentity, signer: Signer | None = None) -> str:
    """The plan as the text of a file, a statement a line, always the same for the same plan.

    `source` is what it was made from. Raises ConfigError where a statement holds a secret, which a file must not.
    """
    for statement in planned.plan.statements:
        if statement.masked:
            objects = ", ".join(str(fact) for fact in (*statement.creates, *statement.alters, *statement.drops))
            raise ConfigError(
                f"the plan cannot be written to a file: the statement for {objects} holds a secret",
                hint="apply it without a file, or set the secret manually and remove it from the source",
            )
    document: dict[str, Json] = {
        "format": PLAN_FILE_FORMAT,
        "format_version": PLAN_FILE_VERSION,
        "program_version": program_version(),
        "database": {
            "system_identifier": database.system_identifier,
            "oid": database.oid,
            "name": database.name,
        },
        "server_version": planned.live.server_version,
        "plugin": planned.plugin,
        "head": {"idx": planned.head.idx, "hash": planned.head.hash},
        "fingerprints": {
            "live": planned.plan.live_fingerprint,
            "goal": planned.plan.goal_fingerprint,
            "desired": planned.desired_fingerprint,
        },
        "options": {name: _option_value(getattr(planned.options, name)) for name in _STORED},
        "source": _source_value(source, planned),
        "statements": [_statement_value(each) for each in planned.plan.statements],
    }
    sealed: dict[str, Json] = {**document, "sha256": hashlib.sha256(_sealed_bytes(document)).hexdigest()}
    if signer is not None:
        sealed["signature"] = signer.sign(_sealed_bytes(document))
    return _lay_out(sealed)


def load_plan(text: str, verifier: Verifier | None = None) -> ReviewedPlan:
    """What the file says. With a verifier it must be signed with that key.

    Raises StalePlanError where the file was changed since or another version wrote it, ConfigError where it is none or
    its signature is missing or another's.
    """
    try:
        document = json.loads(text, object_pairs_hook=_without_repeated_keys)
    except (ValueError, RecursionError) as exc:
        raise ConfigError("not a plan file: it is not JSON", hint="give what `reconciler plan --out` wrote") from exc
    if not isinstance(document, dict) or cast("dict[str, Json]", document).get("format") != PLAN_FILE_FORMAT:
        raise ConfigError(
            "not a plan file", hint="give what `reconciler plan --out` wrote, not what `--format json` prints"
        )
    values = cast("dict[str, Json]", document)
    if values.get("format_version") != PLAN_FILE_VERSION or values.get("program_version") != program_version():
        raise StalePlanError(
            f"reconciler {values.get('program_version')} wrote the plan, in format {values.get('format_version')};"
            f" this is {program_version()} with format {PLAN_FILE_VERSION}",
            hint=_AGAIN,
            left=_UNTOUCHED,
        )
    sealed = {name: value for name, value in values.items() if name not in _SEALS}
    if verifier is not None:
        verifier.require(_sealed_bytes(sealed), values.get("signature"))
    if hashlib.sha256(_sealed_bytes(sealed)).hexdigest() != values.get("sha256"):
        raise StalePlanError(
            "the plan file was changed since it was written: its SHA-256 is not the one stated in it",
            hint=_AGAIN,
            left=_UNTOUCHED,
        )
    try:
        return _reviewed(values)
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise StalePlanError(
            f"the plan file was not written by reconciler: {exc}", hint=_AGAIN, left=_UNTOUCHED
        ) from exc


def require_database(reviewed: ReviewedPlan, database: DatabaseIdentity) -> None:
    """Raises StalePlanError where the plan was made for another database."""
    clusters = (reviewed.system_identifier, database.system_identifier)
    if None in clusters or clusters[0] == clusters[1]:
        if (reviewed.database_oid, reviewed.database_name) == (database.oid, database.name):
            return
        other = f"database {reviewed.database_name} (OID {reviewed.database_oid})"
        this = f"{database.name} (OID {database.oid})"
    else:
        other = f"database {reviewed.database_name} of the server with system identifier {clusters[0]}"
        this = f"{database.name} of {clusters[1]}"
    raise StalePlanError(
        f"the plan was made for {other}, this is {this}",
        hint="plan again on this database, or, where the plan is meant for it too, pass --any-database",
        left=_UNTOUCHED,
    )


def require_unmoved(reviewed: ReviewedPlan, connection: Connection) -> None:
    """Raises StalePlanError where another run was recorded since, or the server is another version's."""
    with transaction(connection):
        require_head(connection, reviewed.plugin, reviewed.head, reviewed.server_version)


def require_reviewed(reviewed: ReviewedPlan, planned: PlanResult) -> None:
    """Raises StalePlanError where the plan that was made again is not the one in the file."""
    for what, then, now in (
        ("the live database", reviewed.live_fingerprint, planned.plan.live_fingerprint),
        ("what the source declares", reviewed.desired_fingerprint, planned.desired_fingerprint),
        ("the state that the plan leads to", reviewed.goal_fingerprint, planned.plan.goal_fingerprint),
    ):
        if then != now:
            raise StalePlanError(f"{what} changed since the plan was made", hint=_AGAIN, left=_UNTOUCHED)
    now_values = [_statement_value(each) for each in planned.plan.statements]
    told = _difference(reviewed.statements, now_values)
    if told is not None:
        hint = f"the file was changed, or the database was: {_AGAIN}, and review it"
        raise StalePlanError(told, hint=hint, left=_UNTOUCHED)


def _difference(reviewed: Sequence[Mapping[str, Json]], planned: Sequence[Mapping[str, Json]]) -> str | None:
    """The first statement that is not the same on both sides, in words."""
    for position, (then, now) in enumerate(zip(reviewed, planned, strict=False), start=1):
        if then != now:
            name = next(name for name in now if then[name] != now[name])
            return (
                f"statement {position} of the plan file is not that of the plan for this database: its {name} is"
                f" {canonical_json(then[name])} in the file, and {canonical_json(now[name])} in the plan"
            )
    if len(reviewed) != len(planned):
        return f"the plan file has {len(reviewed)} statements, the plan for this database {len(planned)}"
    return None


def _statement_value(statement: Statement) -> dict[str, Json]:
    """What is reviewed of a statement; not how large a table is, which changes from day to day."""
    return {
        "sql": statement.sql,
        "hazards": [[hazard.kind.value, hazard.fact.key] for hazard in statement.hazards],
        "lock": None if statement.lock is None else f"{statement.lock} {statement.locks}",
        "transactional": statement.transactional,
        "step": statement.step,
    }


def _source_value(source: AnySource, planned: PlanResult) -> dict[str, Json]:
    """The declaration as text: as it was read, or with masks where it holds secrets."""
    if not isinstance(source, Source) or not source.parts:
        parts: tuple[SourcePart, ...] = (SourcePart(origin=source.description, text=planned.source_text),)
        added = ""
    else:
        parts = source.parts
        added = source.text.removeprefix(source_from_parts(parts, source.description).text)
    shown = [SourcePart(origin=part.origin, text=masked_text(part)) for part in parts]
    return {
        "description": source.description,
        "is_masked": [each.text for each in shown] != [each.text for each in parts] or not isinstance(source, Source),
        "parts": [[each.origin, each.text] for each in shown],
        "answers": added,
    }


def _sealed_bytes(document: Mapping[str, Json]) -> bytes:
    return canonical_json(dict(document)).encode()


def _lay_out(document: Mapping[str, Json]) -> str:
    """JSON with a line for each statement, so that two plans can be compared line by line."""
    members: list[str] = []
    for name, value in document.items():
        text = canonical_json(value)
        if name == "statements" and isinstance(value, list) and value:
            text = "[\n" + ",\n".join(f"    {canonical_json(each)}" for each in value) + "\n  ]"
        members.append(f"  {canonical_json(name)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}\n"


def _without_repeated_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


def _reviewed(values: dict[str, Json]) -> ReviewedPlan:
    """Raises TypeError, ValueError where a member is unknown, missing or of another kind."""
    _require_keys(values, "the file", _KEYS, optional=_SEALS)
    database = _object(values["database"], "database", ("system_identifier", "oid", "name"))
    head = _object(values["head"], "head", ("idx", "hash"))
    fingerprints = _object(values["fingerprints"], "fingerprints", ("live", "goal", "desired"))
    options = _object(values["options"], "options", tuple(_STORED))
    statements = tuple(
        _object(each, "a statement", ("sql", "hazards", "lock", "transactional", "step"))
        for each in _list(values["statements"], "statements")
    )
    return ReviewedPlan(
        plugin=_typed(values["plugin"], "plugin", str),
        source=_source(_object(values["source"], "source", ("description", "is_masked", "parts", "answers"))),
        options={name: _option(name, value) for name, value in options.items()},
        system_identifier=_optional(database["system_identifier"], "system_identifier", str),
        database_oid=_typed(database["oid"], "oid", int),
        database_name=_typed(database["name"], "name", str),
        server_version=_typed(values["server_version"], "server_version", int),
        head=Head(idx=_optional(head["idx"], "idx", int), hash=_optional(head["hash"], "hash", str)),
        live_fingerprint=_typed(fingerprints["live"], "live", str),
        goal_fingerprint=_typed(fingerprints["goal"], "goal", str),
        desired_fingerprint=_typed(fingerprints["desired"], "desired", str),
        statements=statements,
    )


def _option_value(value: bool | int | str | tuple[str, ...] | None) -> Json:
    return list(value) if isinstance(value, tuple) else value


def _option(name: str, value: Json) -> bool | int | str | tuple[str, ...] | None:
    """The value of the field `name` of `Options`. Raises TypeError, ValueError where it cannot be one."""
    of = _STORED[name]
    if value is None and getattr(_USUAL, name) is None:
        return None
    if of.kind is TEXTS:
        return tuple(_typed(each, name, str) for each in _list(value, name))
    if of.kind is FLAG:
        return _typed(value, name, bool)
    if of.kind in (NUMBER, SIZE):
        return _typed(value, name, int)
    text = _typed(value, name, str)
    if of.choices and text not in of.choices:
        raise ValueError(f"{name} is not one of {', '.join(of.choices)}")
    return text


def _source(value: dict[str, Json]) -> Source:
    parts: list[SourcePart] = []
    for each in _list(value["parts"], "parts"):
        origin, text = _list(each, "a part")
        parts.append(SourcePart(origin=_typed(origin, "origin", str), text=_typed(text, "text", str)))
    description = _typed(value["description"], "description", str)
    added = _typed(value["answers"], "answers", str)
    found = source_from_parts(parts, description)
    if added:
        answers = source_from_parts([SourcePart(origin="answers", text=added)], description)
        found = replace(found, hints=(*found.hints, *answers.hints), text=found.text + added)
    # With masks it is not the declaration that was read: no start may skip because of it.
    if _typed(value["is_masked"], "is_masked", bool):
        found = replace(found, part_digests=("masked", *found.part_digests))
    return found


def _object(value: Json, what: str, keys: tuple[str, ...]) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise TypeError(f"{what} is not an object")
    _require_keys(value, what, frozenset(keys))
    return value


def _list(value: Json, what: str) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError(f"{what} is not a list")
    return value


def _require_keys(
    value: Mapping[str, Json], what: str, keys: frozenset[str], *, optional: frozenset[str] = frozenset()
) -> None:
    unknown = sorted(value.keys() - keys - optional)
    if unknown:
        raise ValueError(f"{what} has the unknown member {unknown[0]}")
    missing = sorted(keys - value.keys())
    if missing:
        raise ValueError(f"{what} lacks {missing[0]}")


def _typed(value: object, what: str, kind: type[_Kind]) -> _Kind:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{what} is not a {kind.__name__}")
    return value


def _optional(value: Json, what: str, kind: type[_Kind]) -> _Kind | None:
    return None if value is None else _typed(value, what, kind)
