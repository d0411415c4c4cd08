"""Writes docs/settings.md: every setting, and where it can be given. `python tests/settings_page.py`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.settings import SETTINGS, Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.settings import Setting

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
_HEAD = """# Settings

Written from `reconciler/settings.py` by `python tests/settings_page.py`; a test compares. What the command line says
goes before the environment, that before the configuration (`[tool.reconciler]` of pyproject.toml, or reconciler.toml),
in which `-` and `_` are the same. Of a flag the configuration's value is `true` or `false`.

A plan file holds the settings that are marked with *: they decide which statements a plan has, so `apply --plan` takes
those of the plan.
"""
_TITLES = {
    Place.CONNECTION: "With every command",
    Place.PLANNING: "With commands that plan",
    Place.FILE: "In the configuration alone",
    Place.LIBRARY: "In Python alone",
}
_VARIABLES = {
    "PGHOST, PGHOSTADDR, PGPORT, PGSERVICE, PGDATABASE": "libpq's; one of them is enough to name a database",
    "RECONCILER_WEBHOOK_SECRET": "what `watch --webhook` signs with ([watch.md](watch.md))",
    "RECONCILER_SAFE_DIRECTORY": "whose configuration is trusted, whoever can write there ([security.md](security.md))",
}


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    for place, title in _TITLES.items():
        lines += [f"## {title}\n", "| command line | configuration | `Options` | default | |", "|---|---|---|---|---|"]
        lines += [_row(each) for each in SETTINGS if each.place is place]
        lines.append("")
    lines += ["## Variables of the environment\n", "| variable | |", "|---|---|", *_variables()]
    return "\n".join(lines).rstrip() + "\n"


def _row(of: Setting) -> str:
    metavar = "" if of.metavar is None else f" {of.metavar}".replace("|", "\\|")
    flag = " or ".join(f"`{each}{metavar}`" for each in of.flag.split("/")) if of.flag else ""
    key = f"`{of.key}`" if of.key else ""
    field = "" if of.field is None else of.field if of.means is None else f"{of.field}={_python(of.means)}"
    field = f"`{field}`{'*' if of.is_stored else ''}" if field else ""
    words = f"{of.help} One of {', '.join(of.choices)}." if of.choices else of.help
    return f"| {flag} | {key} | {field} | {of.default or ''} | {words} |"


def _python(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _variables() -> Iterable[str]:
    for of in SETTINGS:
        for name in of.variables:
            words = "`true` allows the loss of data" if of.name == "allow" else f"as `{of.flag}`"
            yield f"| `{name}` | {words} |"
    for name, words in _VARIABLES.items():
        yield f"| {', '.join(f'`{each}`' for each in name.split(', '))} | {words} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
