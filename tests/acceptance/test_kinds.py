"""docs/kinds.md has a row for every kind that is read or planned, and every row has an acceptance case."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from reconciler.catalog.snapshot_reader import QUERIES
from reconciler.planner.rules.registry import RULES

_TEXT = (Path(__file__).parents[2] / "docs" / "kinds.md").read_text()
ROWS = set(re.findall(r"^\| ([a-z_]+) \| (?:yes|no|dropped)", _TEXT, re.MULTILINE))
# A provider of labels is a library that must be loaded, and no Postgres ships one: the catalog's test makes a label.
WITHOUT_CASE = {"security_label"}


def test_every_kind_of_the_catalog_and_every_rule_has_a_row() -> None:
    # These give no facts: they say which names and which keys follow from a parent's.
    assert set(QUERIES) - ROWS == {"inherited_name", "cloned_key"}
    assert set(RULES) == ROWS


def test_every_row_has_a_case() -> None:
    files = (Path(__file__).parent / "cases").glob("*/case.toml")
    covered = {kind for file in files for kind in tomllib.loads(file.read_text())["kinds"]}
    assert covered - ROWS == set()
    assert ROWS - covered == WITHOUT_CASE
