"""The page of the command line is what the program's help says."""

from __future__ import annotations

from command_line import PAGE, page


def test_the_page_of_the_command_line_is_what_the_help_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python tests/command_line.py`"
