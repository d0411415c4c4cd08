"""The configuration: `[tool.reconciler]` of pyproject.toml, or reconciler.toml. Reads files.

The nearest folder upwards that has either counts; in one folder reconciler.toml goes before pyproject.toml. Keys are
the command's options, with `-` or `_`, `source`, `hazards`: rules for which hazards are refused, `ignore`: rules for
what to leave alone, and `policy`: rules for what `watch` does about drift.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from reconciler.errors import ConfigError
from reconciler.hazards.policy import HazardRule, Verdict, consents
from reconciler.model.hazards import HazardKind, hazard_kind
from reconciler.model.ignore import IgnoreRule
from reconciler.model.policies import Policy, PolicyAction, parse_duration, parse_window
from reconciler.source.ownership import require_own

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Configuration", "find_configuration", "parse_configuration"]

Value = TypeVar("Value")

_RULE = frozenset({"hazard", "schema", "object", "above", "verdict"})

_IGNORE = frozenset({"object", "children_of", "attribute", "kind", "schema", "name", "owner", "reason", "until"})

_POLICY = frozenset(
    {
        "action",
        "allow",
        "author",
        "back_off",
        "lasts",
        "object",
        "plugin",
        "reason",
        "tries",
        "window",
        "within",
    }
)

_OWN_FILE = "reconciler.toml"
_SHARED_FILE = "pyproject.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What stands in the file; None where it says nothing. `folder` is where relative paths start from."""

    folder: Path | None = None
    source: tuple[str, ...] | None = None
    source_format: str | None = None
    dsn: str | None = None
    local: bool | None = None
    plugin: str | None = None
    schema: tuple[str, ...] | None = None
    all_schemas: bool | None = None
    exact: bool | None = None
    scratch: str | None = None
    format: str | None = None
    allow: tuple[str, ...] | None = None
    hazards: tuple[HazardRule, ...] | None = None
    allow_empty: bool | None = None
    ignore_unmodelled: bool | None = None
    proof: str | None = None
    no_proof: bool | None = None
    lock_timeout: int | None = None
    lock_retries: int | None = None
    online: bool | None = None
    online_above: int | None = None
    keep_column_order: bool | None = None
    no_preflight: bool | None = None
    preflight_timeout: int | None = None
    search_path: tuple[str, ...] | None = None
    max_lag: str | None = None
    record_values: bool | None = None
    app_version: str | None = None
    drops: str | None = None
    partitions: str | None = None
    share: bool | None = None
    ledger_schema: str | None = None
    ignore: tuple[IgnoreRule, ...] | None = None
    policy: tuple[Policy, ...] | None = None
    name: str | None = None


def find_configuration(start: Path) -> Configuration:
    """The nearest configuration from `start` upwards; an empty one where there is none.

    Raises ConfigError, also for one that somebody else can have written.
    """
    for folder in (start, *start.parents):
        for name in (_OWN_FILE, _SHARED_FILE):
            path = folder / name
            if path.is_file():
                found = _table(path)
                if found is not None:
                    require_own(path, "the configuration")
                    return parse_configuration(found, path)
    return Configuration()


def parse_configuration(table: dict[str, object], path: Path) -> Configuration:
    """The table of the file at `path`. Raises ConfigError for a key that is none, or a value of the wrong type."""
    values = {key.replace("-", "_"): value for key, value in table.items()}
    unknown = sorted(key for key in table if key.replace("-", "_") not in _KINDS)
    if unknown:
        raise ConfigError(
            f"{path}: unknown {'key' if len(unknown) == 1 else 'keys'} {', '.join(unknown)}",
            hint=f"known are: {', '.join(sorted(key.replace('_', '-') for key in _KINDS))}",
        )
    strings = _only(values, path, _string)
    lists = _only(values, path, _strings)
    flags = _only(values, path, _flag)
    numbers = _only(values, path, _number)
    return Configuration(
        folder=path.parent,
        source=lists.get("source"),
        source_format=strings.get("source_format"),
        dsn=strings.get("dsn"),
        local=flags.get("local"),
        plugin=strings.get("plugin"),
        schema=lists.get("schema"),
        all_schemas=flags.get("all_schemas"),
        exact=flags.get("exact"),
        scratch=strings.get("scratch"),
        format=strings.get("format"),
        allow=lists.get("allow"),
        hazards=_hazard_rules(values.get("hazards"), path),
        allow_empty=flags.get("allow_empty"),
        ignore_unmodelled=flags.get("ignore_unmodelled"),
        proof=strings.get("proof"),
        no_proof=flags.get("no_proof"),
        lock_timeout=numbers.get("lock_timeout"),
        lock_retries=numbers.get("lock_retries"),
        online=flags.get("online"),
        online_above=_only(values, path, _size).get("online_above"),
        keep_column_order=flags.get("keep_column_order"),
        no_preflight=flags.get("no_preflight"),
        preflight_timeout=numbers.get("preflight_timeout"),
        search_path=lists.get("search_path"),
        max_lag=strings.get("max_lag"),
        record_values=flags.get("record_values"),
        app_version=_only(values, path, _version).get("app_version"),
        drops=strings.get("drops"),
        partitions=strings.get("partitions"),
        share=flags.get("share"),
        ledger_schema=strings.get("ledger_schema"),
        ignore=_ignore_rules(values.get("ignore"), path),
        policy=_policies(values.get("policy"), path),
        name=path.name,
    )


def _table(path: Path) -> dict[str, object] | None:
    """The file's table; None for a pyproject.toml without one."""
    try:
        content = cast("dict[str, object]", tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}") from exc
    if path.name == _OWN_FILE:
        return content
    tool = content.get("tool")
    table = cast("dict[str, object]", tool).get("reconciler") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.reconciler is not a table", hint="write [tool.reconciler]")
    return cast("dict[str, object] | None", table)


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _strings(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(each, str) for each in cast("list[object]", value)):
        return tuple(cast("list[str]", value))
    return None


def _date(value: object) -> date | None:
    """A day, as TOML has it, or as text."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _tables(value: object) -> tuple[dict[str, object], ...] | None:
    if isinstance(value, list) and all(isinstance(each, dict) for each in cast("list[object]", value)):
        return tuple(cast("list[dict[str, object]]", value))
    return None


def _hazard_rules(value: object, path: Path) -> tuple[HazardRule, ...] | None:
    """The tables [[tool.reconciler.hazards]]. Raises ConfigError for one that cannot be read."""
    if value is None:
        return None
    tables = _tables(value)
    if tables is None:
        raise ConfigError(f"{path}: hazards must be a list of tables", hint="write [[tool.reconciler.hazards]]")
    return tuple(_hazard_rule(table, f"{path}: hazards[{place}]") for place, table in enumerate(tables, start=1))


def _hazard_rule(table: dict[str, object], where: str) -> HazardRule:
    unknown = sorted(table.keys() - _RULE)
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]}", hint=f"known are: {', '.join(sorted(_RULE))}")
    verdict = table.get("verdict")
    if verdict not in tuple(Verdict):
        raise ConfigError(f"{where}: verdict must be {' or '.join(Verdict)}")
    kinds: list[HazardKind] = []
    for word in _of_rule(table, "hazard", _strings, where) or ():
        kind = hazard_kind(word)
        if kind is None:
            known = ", ".join(each.value.replace("_", "-") for each in HazardKind)
            raise ConfigError(f"{where}: hazard {word} does not exist", hint=f"known are: {known}")
        kinds.append(kind)
    return HazardRule(
        verdict=Verdict(str(verdict)),
        hazards=tuple(kinds),
        schema=_of_rule(table, "schema", _string, where),
        object=_of_rule(table, "object", _string, where),
        above_bytes=_of_rule(table, "above", _size, where),
    )


def _ignore_rules(value: object, path: Path) -> tuple[IgnoreRule, ...] | None:
    """The tables [[tool.reconciler.ignore]]. Raises ConfigError for one that cannot be read."""
    if value is None:
        return None
    tables = _tables(value)
    if tables is None:
        raise ConfigError(f"{path}: ignore must be a list of tables", hint="write [[tool.reconciler.ignore]]")
    return tuple(_ignore_rule(table, f"{path}: ignore[{place}]") for place, table in enumerate(tables, start=1))


def _ignore_rule(table: dict[str, object], where: str) -> IgnoreRule:
    values = {key.replace("-", "_"): value for key, value in table.items()}
    unknown = sorted(values.keys() - _IGNORE)
    if unknown:
        known = ", ".join(sorted(key.replace("_", "-") for key in _IGNORE))
        raise ConfigError(f"{where}: unknown key {unknown[0].replace('_', '-')}", hint=f"known are: {known}")

    def text(key: str) -> str | None:
        return _of_rule(values, key, _string, where)

    return IgnoreRule(
        reason=text("reason") or "",
        object=text("object"),
        children_of=text("children_of"),
        attribute=text("attribute"),
        kind=text("kind"),
        schema=text("schema"),
        name=text("name"),
        owner=text("owner"),
        until=_of_rule(values, "until", _date, where),
        where=where,
    )


def _policies(value: object, path: Path) -> tuple[Policy, ...] | None:
    """The tables [[tool.reconciler.policy]]. Raises ConfigError for one that cannot be read."""
    if value is None:
        return None
    tables = _tables(value)
    if tables is None:
        raise ConfigError(f"{path}: policy must be a list of tables", hint="write [[tool.reconciler.policy]]")
    return tuple(_policy(table, f"{path}: policy[{place}]") for place, table in enumerate(tables, start=1))


def _policy(table: dict[str, object], where: str) -> Policy:
    values = {key.replace("-", "_"): value for key, value in table.items()}
    unknown = sorted(values.keys() - _POLICY)
    if unknown:
        known = ", ".join(sorted(key.replace("_", "-") for key in _POLICY))
        raise ConfigError(f"{where}: unknown key {unknown[0].replace('_', '-')}", hint=f"known are: {known}")
    action = values.get("action")
    if action not in tuple(PolicyAction):
        raise ConfigError(f"{where}: action must be one of {', '.join(PolicyAction)}")
    usual = Policy(action=PolicyAction.REPORT)
    tries = _of_rule(values, "tries", _number, where)
    return Policy(
        action=PolicyAction(str(action)),
        object=_of_rule(values, "object", _string, where),
        plugin=_of_rule(values, "plugin", _string, where),
        author=_of_rule(values, "author", _string, where),
        reason=_of_rule(values, "reason", _string, where),
        lasts=_of_rule(values, "lasts", _duration, where),
        window=_of_rule(values, "window", _window, where),
        tries=usual.tries if tries is None else tries,
        within=_of_rule(values, "within", _duration, where) or usual.within,
        back_off=_of_rule(values, "back_off", _duration, where) or usual.back_off,
        allow=consents(_of_rule(values, "allow", _strings, where) or ()),
        where=where,
    )


def _of_rule(table: dict[str, object], key: str, read: Callable[[object], Value | None], where: str) -> Value | None:
    if key not in table:
        return None
    value = read(table[key])
    if value is None:
        raise ConfigError(f"{where}: {key} must be {_WORDS[read]}")
    return value


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _size(value: object) -> int | None:
    """Bytes: a number, or a text like `64MB`."""
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(match[1]) * _UNITS[match[2].upper()]
    return _number(value)


def _duration(value: object) -> timedelta | None:
    return parse_duration(value) if isinstance(value, str) else None


def _window(value: object) -> tuple[time, time] | None:
    return parse_window(value) if isinstance(value, str) else None


def _version(value: object) -> str | None:
    number = _number(value)
    return _string(value) if number is None else str(number)


_SIZE = re.compile(r"(\d+)\s*(B|kB|MB|GB|TB)", re.IGNORECASE)
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_WORDS: dict[Callable[[object], object], str] = {
    _string: "a text",
    _strings: "a text or a list of texts",
    _flag: "true or false",
    _date: "a day like 2030-12-31",
    _number: "a number, not negative",
    _size: "a size like 64MB",
    _version: "a number or a text",
    _duration: "a time like 30s, 5min, 12h or 7d",
    _window: "a part of the day in UTC like 22:00-06:00",
    _tables: "a list of tables",
}
_KINDS: dict[str, Callable[[object], object]] = {
    "source": _strings,
    "source_format": _string,
    "dsn": _string,
    "local": _flag,
    "plugin": _string,
    "schema": _strings,
    "all_schemas": _flag,
    "exact": _flag,
    "scratch": _string,
    "format": _string,
    "allow": _strings,
    "hazards": _tables,
    "allow_empty": _flag,
    "ignore_unmodelled": _flag,
    "proof": _string,
    "no_proof": _flag,
    "lock_timeout": _number,
    "lock_retries": _number,
    "online": _flag,
    "online_above": _size,
    "keep_column_order": _flag,
    "no_preflight": _flag,
    "preflight_timeout": _number,
    "search_path": _strings,
    "max_lag": _string,
    "record_values": _flag,
    "app_version": _version,
    "drops": _string,
    "partitions": _string,
    "share": _flag,
    "ledger_schema": _string,
    "ignore": _tables,
    "policy": _tables,
}


def _only(values: dict[str, object], path: Path, read: Callable[[object], Value | None]) -> dict[str, Value]:
    """The values of the keys that `read` is for."""
    found: dict[str, Value] = {}
    for key, value in values.items():
        if _KINDS[key] is not read:
            continue
        parsed = read(value)
        if parsed is None:
            raise ConfigError(f"{path}: {key.replace('_', '-')} must be {_WORDS[read]}")
        found[key] = parsed
    return found
