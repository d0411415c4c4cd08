"""A plan as a file: made by `plan --out`, reviewed, run by `apply --plan` as it is or refused as stale. Does no I/O.

The file holds all that `Reconciler.apply` needs, and a SHA-256 of itself. Each dataclass is written field by field, so
that what a statement gains is kept without being listed here; such a file is for the version that wrote it, and says
which that is. The facts of the snapshots, of which most are the same, are written once.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, cast

import reconciler
from reconciler.errors import ConfigError, StalePlanError
from reconciler.model.facts import FactId, canonical_json
from reconciler.model.snapshot import Snapshot
from reconciler.results import PlanResult
from reconciler.version import program_version

if typing.TYPE_CHECKING:
    from reconciler.model.facts import Json

__all__ = ["PLAN_FILE_FORMAT", "PLAN_FILE_VERSION", "dump_plan", "load_plan"]

PLAN_FILE_FORMAT = "reconciler/plan-file"
# Grows with each change of the envelope below; what the dataclasses hold follows the program's version.
PLAN_FILE_VERSION = "1"

_AGAIN = "run `reconciler plan --out` again"


def dump_plan(planned: PlanResult) -> str:
    """The plan as the text of a file, one statement and one fact a line, always the same for the same plan.

    Raises ConfigError where a statement holds a secret, which a file must not.
    """
    for statement in planned.plan.statements:
        if statement.masked:
            objects = ", ".join(str(fact) for fact in (*statement.creates, *statement.alters, *statement.drops))
            raise ConfigError(
                f"the plan cannot be written to a file: the statement for {objects} holds a secret",
                hint="apply it without a file, or set the secret manually and remove it from the source",
            )
    pool = _Pool()
    # Where scratch was, and live after the renames, are of no use later; a server's URL may hold a password.
    kept = replace(planned, renamed=None, options=replace(planned.options, scratch="auto"))
    document: dict[str, Json] = {
        "format": PLAN_FILE_FORMAT,
        "format_version": PLAN_FILE_VERSION,
        "program_version": program_version(),
        **cast("dict[str, Json]", _encode(kept, pool)),
        "facts": pool.facts,
    }
    return _lay_out({**document, "sha256": _digest(document)})


def load_plan(text: str) -> PlanResult:
    """The plan that `dump_plan` wrote; its snapshots know no dependencies, which only planning needs.

    Raises StalePlanError where the file was changed since or another version wrote it, ConfigError where it is none.
    """
    try:
        document = json.loads(text)
    except ValueError as exc:
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
            left="nothing was changed",
        )
    if _digest({name: value for name, value in values.items() if name != "sha256"}) != values.get("sha256"):
        raise StalePlanError(
            "the plan file was changed since it was written: its SHA-256 is not the one stated in it",
            hint=_AGAIN,
            left="nothing was changed",
        )
    return cast("PlanResult", _decode(values, PlanResult, _Pool(cast("list[Json]", values["facts"]))))


def _digest(document: Mapping[str, Json]) -> str:
    return hashlib.sha256(canonical_json(dict(document)).encode()).hexdigest()


def _lay_out(value: Json, indent: str = "") -> str:
    """JSON with a line for each statement and each fact, so that two plans can be compared line by line."""
    inner = indent + "  "
    if isinstance(value, dict) and (not indent or "statements" in value):
        members = [f"{inner}{canonical_json(name)}: {_lay_out(each, inner)}" for name, each in value.items()]
        return "{\n" + ",\n".join(members) + f"\n{indent}}}" + ("" if indent else "\n")
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return "[\n" + ",\n".join(f"{inner}{canonical_json(each)}" for each in value) + f"\n{indent}]"
    return canonical_json(value)


class _Pool:
    """The facts of all snapshots of one file, each once."""

    def __init__(self, facts: list[Json] | None = None) -> None:
        self.facts: list[Json] = facts if facts is not None else []
        self._places: dict[tuple[FactId, str], int] = {}

    def put(self, snapshot: Snapshot) -> Json:
        places: list[Json] = []
        for fact, text in snapshot.facts.items():
            place = self._places.setdefault((fact, text), len(self.facts))
            if place == len(self.facts):
                self.facts.append([fact.kind, list(fact.name), text])
            places.append(place)
        return {
            "facts": places,
            "fingerprint": snapshot.fingerprint,
            "schemas": list(snapshot.schemas),
            "server_version": snapshot.server_version,
        }

    def get(self, value: Mapping[str, Json]) -> Snapshot:
        rows = cast("list[tuple[str, list[str], str]]", self.facts)
        facts = {
            FactId(kind, tuple(name)): text
            for kind, name, text in (rows[place] for place in cast("list[int]", value["facts"]))
        }
        return Snapshot(
            facts=facts,
            schemas=tuple(cast("list[str]", value["schemas"])),
            server_version=cast("int", value["server_version"]),
        )


def _encode(value: object, pool: _Pool) -> Json:
    match value:
        case Snapshot():
            return pool.put(value)
        case FactId():
            return [value.kind, *value.name]
        case Enum():
            return cast("Json", value.value)
        case None | bool() | int() | float() | str():
            return value
        case tuple() | list():
            return [_encode(each, pool) for each in cast("tuple[object, ...]", value)]
        case frozenset():
            return sorted((_encode(each, pool) for each in cast("frozenset[object]", value)), key=canonical_json)
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return [[_encode(key, pool), _encode(each, pool)] for key, each in pairs]
        case _ if is_dataclass(value):
            return {each.name: _encode(getattr(value, each.name), pool) for each in fields(value)}
        case _:
            raise TypeError(f"a plan file cannot hold a {type(value).__name__}")


def _decode(value: Any, wanted: Any, pool: _Pool) -> object:
    """`value`, as `_encode` wrote it, as a value of the type `wanted`."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        (wanted,) = (each for each in arguments if each is not types.NoneType)
        return None if value is None else _decode(value, wanted, pool)
    if origin is not None and issubclass(origin, Mapping):
        return {_decode(key, arguments[0], pool): _decode(each, arguments[1], pool) for key, each in value}
    if origin is not None:
        members: list[object] = [_decode(each, arguments[0], pool) for each in value]
        return frozenset(members) if origin is frozenset else tuple(members)
    if wanted is Snapshot:
        return pool.get(value)
    if wanted is FactId:
        return FactId(value[0], tuple(value[1:]))
    if isinstance(wanted, type) and is_dataclass(wanted):
        hints = _hints(wanted)
        return wanted(**{name: _decode(value[name], hint, pool) for name, hint in hints.items()})
    return wanted(value) if isinstance(wanted, type) and issubclass(wanted, Enum) else value


class _PublicNames(dict[str, Any]):
    """What annotations, which are text, may name: a plan holds nothing whose type is not public."""

    def __missing__(self, name: str) -> object:
        if name not in reconciler.__all__:
            raise KeyError(name)
        return getattr(reconciler, name)


@cache
def _hints(wanted: type) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return typing.get_type_hints(wanted, localns=_PublicNames(Mapping=Mapping))
