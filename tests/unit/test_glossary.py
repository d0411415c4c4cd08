"""The words that docs/glossary.md says to avoid stand nowhere: in no prose, message, name or file's name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
FOLDERS = ("reconciler", "docs", "sql", "tests", "benchmarks")
SUFFIXES = {".py", ".md", ".sql", ".toml", ".json"}


def avoided() -> list[str]:
    """The words of the last column, without those that are avoided in one sense alone."""
    rows = [line.strip("|").split("|") for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("| ")]
    words = [word.strip() for row in rows if row[-1].strip() != "avoid" for word in row[-1].split(",")]
    return [word for word in words if word and "(" not in word]


def test_words_to_avoid_stand_nowhere() -> None:
    words = avoided()
    assert len(words) > 30
    spelled = "|".join(r"[\s_-]+".join(map(re.escape, word.split())) for word in words)
    pattern = re.compile(rf"(?<![A-Za-z])(?:{spelled})(?![A-Za-z])", re.IGNORECASE)
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    found: list[str] = []
    for path in sorted([*files, *ROOT.glob("*.md")]):
        if path == GLOSSARY:
            continue
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text("utf-8")
        found += [f"{name}: the name" for _ in pattern.finditer(name)]
        found += [f"{name}:{text.count(chr(10), 0, each.start()) + 1}: {each[0]}" for each in pattern.finditer(text)]
    assert not found, "\n".join(found)
