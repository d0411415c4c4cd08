"""Writes docs/command-line.md: every command with its arguments and options. `python tests/command_line.py`"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.commands import cli

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

PAGE = Path(__file__).parents[1] / "docs" / "command-line.md"
_HEAD = """# Command line

Written from the program's own help by `python tests/command_line.py`; a test compares. `python -m reconciler` is the same
as `reconciler`. Options that are always the same can be set in `[tool.reconciler]` of `pyproject.toml`, or in
`reconciler.toml` ([settings](settings.md)).

## Exit codes

| code | means |
|---|---|
| 0 | done, or in sync; `check`: or all drift is [acknowledged](watch.md) |
| 1 | error |
| 2 | differences are pending (`plan`, `check`, `diff`) |
| 3 | refused because of a hazard that was not allowed |
| 4 | drift or conflict (`check`) |
| 5 | the proof failed; nothing was touched |
| 6 | a run is unfinished: at work, or interrupted (`check`; [operations](operations.md)) |
| 7 | the declaration is older than what the database is at ([deploying](deploying.md)) |
| 130 | interrupted by Ctrl-C or SIGTERM; what was committed is said |

Data goes to standard output, everything else to standard error. The documents of `--format json` are versioned and described in
[their own page](json-format.md). `NO_COLOR` and `FORCE_COLOR` are respected.

## Completion

In bash `eval "$(_RECONCILER_COMPLETE=bash_source reconciler)"` completes commands, options and their values; zsh and fish take
`zsh_source` and `fish_source`.
"""


# An option that so many commands have stands once.
_SHARED = 4
_Option = tuple[str, str]


def page() -> str:
    """The whole page."""
    lines = [_HEAD]
    with click.Context(cli, info_name="reconciler") as context:
        commands = [*_commands(cli, context)]
        counts = Counter(option for each in commands for option in _options(each))
        shared = {option for option, number in counts.items() if number >= _SHARED}
        for each in commands:
            lines += _entry(each, shared)
    lines += ["## Options of several commands\n", *_table([each for each in counts if each in shared])]
    return "\n".join(lines).rstrip() + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterable[click.Context]:
    """The context of each command, and behind a group's those of its own."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        with click.Context(command, info_name=name, parent=context) as found:
            yield found
            if isinstance(command, click.Group):
                yield from _commands(command, found)


def _options(context: click.Context) -> list[_Option]:
    records = [each.get_help_record(context) for each in context.command.params]
    return [each for each in records if each is not None and each[1]]


def _entry(context: click.Context, shared: Collection[_Option]) -> Iterable[str]:
    options = _options(context)
    usage = " ".join(context.command.collect_usage_pieces(context))
    yield f"{'#' * (context.command_path.count(' ') + 1)} `{context.command_path.partition(' ')[2]}`\n"
    yield f"`{context.command_path} {usage}`\n"
    yield f"{_prose(context.command.help or '')}\n"
    yield from _table([each for each in options if each not in shared])
    if common := [f"`{option.split()[0]}`" for option, text in options if (option, text) in shared]:
        yield f"And, [as below](#options-of-several-commands): {', '.join(common)}.\n"


def _table(options: Sequence[_Option]) -> Iterable[str]:
    if options:
        yield "| option | means |\n|---|---|"
        yield from (f"| `{_cell(option)}` | {_cell(text)} |" for option, text in options)
        yield ""


def _prose(text: str) -> str:
    """The help without click's marks, a line for each paragraph."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\b", "").strip())
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
