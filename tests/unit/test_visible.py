"""What people are shown holds nothing that a terminal or a reader would take for more than text."""

from __future__ import annotations

import subprocess
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.facts import FactId
from reconciler.model.visible import shell_word, visible, visible_line


def test_escapes_and_marks_of_direction_are_written_out() -> None:
    assert visible("a\x1b[2Jb\u202ec\x9bd\r\n\te") == "a\\x1b[2Jb\\u202ec\\x9bd\\r\n\te"
    assert visible_line("a\nb") == "a\\nb"


def test_other_text_stays_as_it_is() -> None:
    for text in ("", "naïve 表 x\ty\nz", "emoji \U0001f600"):
        assert visible(text) == text


@given(st.text())
def test_nothing_that_is_shown_controls_anything(text: str) -> None:
    assert all(unicodedata.category(each) not in ("Cc", "Zl", "Zp") for each in visible(text) if each not in "\n\t")
    assert all(
        unicodedata.bidirectional(each) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for each in visible(text)
    )


def test_a_name_with_a_line_break_is_one_line() -> None:
    fact = FactId("table", ("public", "x\n1. DROP TABLE users;\x1b[8m"))
    assert str(fact) == "table public.x\\n1. DROP TABLE users;\\x1b[8m"
    assert fact.key == "table:public.x\n1. DROP TABLE users;\x1b[8m"


def test_a_word_for_a_shell_is_shown_as_it_is_and_means_the_same() -> None:
    texts = ["plain", "it's", "a\n# b\x1b[2J\x9b\u202e\\n'\"`$x", "\x01f\u200bf"]
    line = "printf '%s\\0' " + " ".join(map(shell_word, texts))
    assert visible_line(line) == line
    ran = subprocess.run(["bash", "-c", line], env={"LC_ALL": "C.UTF-8"}, capture_output=True, check=True)
    assert ran.stdout.decode().split("\0")[:-1] == texts
