"""What an error says by itself, as in a log of an application."""

from __future__ import annotations

import pytest

from reconciler.errors import (
    ApplyError,
    ConfigError,
    HazardError,
    PluginFailuresError,
    ReconcilerError,
    RunInterruptedError,
    TerminatedError,
)

APPLY = ApplyError(
    'column "a" does not exist',
    hint="run it again",
    left="nothing: everything was rolled back",
    statement="ALTER TABLE t DROP COLUMN a",
    position=2,
    detail="it went",
)
SAID = """column "a" does not exist
detail: it went
statement 2: ALTER TABLE t DROP COLUMN a
left in the database: nothing: everything was rolled back
hint: run it again"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConfigError("no such file"), "no such file"),
        (HazardError("refused", hint="allow it"), "refused\nhint: allow it"),
        (APPLY, SAID),
        (
            RunInterruptedError(TerminatedError(), left="steps 1 to 2 of 3 are committed", hint="resume"),
            "terminated\nleft in the database: steps 1 to 2 of 3 are committed\nhint: resume",
        ),
        (
            PluginFailuresError({"blog": APPLY, "chat": ConfigError("no name")}, succeeded=("shop", "users")),
            "2 of 4 plugins failed; shop, users reconciled\nplugin blog: "
            + SAID.replace("\n", "\n  ")
            + "\nplugin chat: no name",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_text_of_an_error_is_complete(error: ReconcilerError | RunInterruptedError, said: str) -> None:
    assert str(error) == said


def test_what_is_learnt_later_is_in_the_text() -> None:
    error = ConfigError("refused")
    error.left, error.hint = "nothing was changed", "try again"
    assert str(error) == "refused\nleft in the database: nothing was changed\nhint: try again"
