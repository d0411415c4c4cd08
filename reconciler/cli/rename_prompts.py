"""Asks on a terminal whether what looks like a rename is one, and says what to write. Does I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from reconciler.cli.console import is_interactive, print_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.model.intent import Suggestion
    from reconciler.source.source import AnySource, Source

__all__ = ["with_answers"]


def with_answers(source: AnySource, suggestions: Sequence[Suggestion]) -> Source | None:
    """The source with the renames that were answered with yes; None where none was, or nobody is there to ask.

    The user's files stay as they are; the answers are recorded with the declaration, as the comments that they are.
    """
    from reconciler.source.source import Source

    if not suggestions or not isinstance(source, Source) or not is_interactive():
        return None
    renames = [each for each in suggestions if click.confirm(f"{each}. Is it?", default=False, err=True)]
    if not renames:
        return None
    for each in renames:
        print_note(f"write this beside {each.new} in the declaration, for every other database:  {each.line}")
    text = source.text if not source.text or source.text.endswith("\n") else f"{source.text}\n"
    return replace(
        source,
        hints=(*source.hints, *(each.hint for each in renames)),
        text=text + "".join(f"{each.line_anywhere}\n" for each in renames),
    )
