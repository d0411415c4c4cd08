"""The configuration: `[tool.reconciler]` of pyproject.toml, or reconciler.toml. Reads files.

The nearest folder upwards that has either counts; in one folder reconciler.toml goes before pyproject.toml. Keys are
those of the settings, with `-` or `_`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from reconciler.cli.config_rules import RULES
from reconciler.errors import ConfigError
from reconciler.settings import SETTINGS
from reconciler.source.ownership import require_own

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Configuration", "find_configuration", "parse_configuration"]

_OWN_FILE = "reconciler.toml"
_SHARED_FILE = "pyproject.toml"
_KEYS = {each.name: each for each in SETTINGS if each.key is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What stands in the file, by the settings' names. `folder` is where relative paths start from."""

    folder: Path | None = None
    name: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def get(self, name: str) -> Any:
        """What the file says of a setting; None where it says nothing."""
        return self.values.get(name)


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
    unknown = sorted(key for key in table if key.replace("-", "_") not in _KEYS)
    if unknown:
        raise ConfigError(
            f"{path}: unknown {'key' if len(unknown) == 1 else 'keys'} {', '.join(unknown)}",
            hint=f"known are: {', '.join(sorted(key.replace('_', '-') for key in _KEYS))}",
        )
    return Configuration(
        folder=path.parent,
        name=path.name,
        values={
            name: RULES[name](value, path) if name in RULES else _KEYS[name].kind.of(values, name, str(path))
            for name, value in values.items()
        },
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
