"""Writes docs/python-api.md: every public name with its signature and docstring. `python tests/python_api.py`"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING

import reconciler
from reconciler import migrator

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).parents[1] / "docs" / "python-api.md"
_HEAD = """# Python API

Written from the docstrings by `python tests/python_api.py`; a test compares. All names are imported from `reconciler`,
those of the last section from `reconciler.migrator`. [The migrator's page](migrator.md) has an example.
"""


def page() -> str:
    """The whole page."""
    public = {name: getattr(reconciler, name) for name in reconciler.__all__ if name != "__version__"}
    errors = {name: value for name, value in public.items() if isinstance(value, type) and issubclass(value, Exception)}
    rest = {name: value for name, value in public.items() if name not in errors}
    classes = {name: value for name, value in rest.items() if isinstance(value, type)}
    functions = {name: value for name, value in rest.items() if inspect.isfunction(value)}
    aliases = {name: value for name, value in rest.items() if name not in classes and name not in functions}
    ours = {name: getattr(migrator, name) for name in migrator.__all__ if name not in public}
    sections = [
        ("Functions", functions),
        ("Classes", classes),
        ("Types", aliases),
        ("Errors", errors),
        ("The migrator", ours),
    ]
    lines = [_HEAD]
    for title, names in sections:
        lines.append(f"## {title}\n")
        for name, value in names.items():
            lines += _entry(name, value)
    return "\n".join(lines).rstrip() + "\n"


def _entry(name: str, value: object) -> Iterable[str]:
    if isinstance(value, str) or typing.get_origin(value) is not None or isinstance(value, types.UnionType):
        yield f"### `{name}`\n"  # a type alias
        yield f"`{_short(value)}`\n"
    elif isinstance(value, type):
        yield f"### `{name}`\n"
        yield f"{inspect.cleandoc(value.__doc__ or '')}\n"
        yield from _members(value)
    else:
        yield f"### `{name}{_signature(value)}`\n"
        yield f"{inspect.getdoc(value) or ''}\n"


def _short(alias: object) -> str:
    return re.sub(r"\b(?:reconciler|psycopg|typing|collections\.abc)\.(?:\w+\.)*", "", str(alias))


def _members(value: type) -> Iterable[str]:
    if issubclass(value, enum.Enum):
        yield ", ".join(f"`{each.value}`" for each in value) + "\n"
        return
    found: list[str] = []
    if dataclasses.is_dataclass(value):
        found += [f"- `{each.name}: {each.type}`" for each in dataclasses.fields(value)]
    for name, member in vars(value).items():
        if name.startswith("_"):
            continue
        text = inspect.getdoc(member) or ""
        first = text.split("\n\n")[0].replace("\n", " ")
        if isinstance(member, property):
            found.append(f"- `{name}`: {first}")
        elif inspect.isfunction(member):
            found.append(f"- `{name}{_signature(member)}`: {first}")
    if found:
        yield "\n".join(found) + "\n"


def _signature(function: object) -> str:
    signature = inspect.signature(function)  # type: ignore[arg-type]
    kept = [each for name, each in signature.parameters.items() if name != "self"]
    return str(signature.replace(parameters=kept)).replace("'", "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
