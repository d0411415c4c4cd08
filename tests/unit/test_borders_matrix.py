"""docs/borders.md: each row of the matrix names the tests that show it, and these exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
MATRIX = (ROOT / "docs" / "borders.md").read_text(encoding="utf-8").partition("## The matrix")[2].partition("\n## ")[0]
ROWS = [
    line.strip("|").split("|")
    for line in MATRIX.splitlines()
    if line.startswith("| ") and not line.startswith("| what is not ours")
]


def test_each_row_of_the_matrix_names_tests_that_exist() -> None:
    texts = [file.read_text(encoding="utf-8") for folder in ("acceptance", "integration")
             for file in (ROOT / "tests" / folder).glob("test_*.py")]  # fmt: skip
    tests = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    assert len(ROWS) > 40
    for *cells, named in ROWS:
        assert len(cells) == 3, cells
        found = re.findall(r"`(\w+)`", named)
        assert found, cells
        assert set(found) <= tests, (cells, set(found) - tests)


def test_each_test_of_others_dependents_is_in_the_matrix() -> None:
    for name in ("children", "dependents", "beside", "names"):
        text = (ROOT / "tests" / "acceptance" / f"test_borders_{name}.py").read_text(encoding="utf-8")
        named = {test for *_, cell in ROWS for test in re.findall(r"`(\w+)`", cell)}
        assert set(re.findall(r"^def (test_\w+)", text, re.MULTILINE)) - named == set(), name
