"""Every example of the README runs, from top to bottom, in one folder on one fresh database, as a reader would do it.

A block of ```sql whose first line is `-- file: PATH` is a file. A block of ```python is a program. In a block of
```console each line after `$ ` is a command, which must end with status 0 or with the one that `# exits N` says. What
`make` and `pip` do is tested by installing and by running the tests at all; here only that the names are there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.one_server

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_EXITS = re.compile(r"\s+# exits (\d)$")
_TIMEOUT_S = 120


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the README on which it starts."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    return [Block(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in _BLOCK.finditer(text)]


EXAMPLES = blocks(README.read_text(encoding="utf-8"))


def test_every_block_is_of_a_kind_that_is_run_or_said_not_to_be() -> None:
    assert {block.language for block in EXAMPLES} == {"sh", "sql", "python", "console"}
    assert [block.text for block in EXAMPLES if block.language == "sh"] == ["pip install '.[server]'\n"]


def test_the_make_targets_of_the_readme_are_there() -> None:
    named = set(re.findall(r"make (\w+)  ", README.read_text(encoding="utf-8")))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert named == {"demo", "test"}
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)


def test_the_links_of_the_readme_lead_somewhere() -> None:
    links = set(re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")))
    assert links
    assert [link for link in sorted(links) if not (ROOT / link).exists()] == []


def test_the_examples_of_the_readme_run(database: str, tmp_path: Path) -> None:
    ran = 0
    for block in EXAMPLES:
        match block.language:
            case "sql":
                _write(block, tmp_path)
            case "python":
                _run([sys.executable, "-c", block.text], 0, f"README.md:{block.line}", database, tmp_path)
                ran += 1
            case "console":
                for number, line in enumerate(block.text.splitlines(), start=1):
                    _run_line(line, f"README.md:{block.line + number}", database, tmp_path)
                    ran += 1
            case _:
                continue
    assert ran > 20


def _write(block: Block, folder: Path) -> None:
    first = block.text.splitlines()[0]
    assert first.startswith("-- file: "), f"README.md:{block.line}: a file without a name"
    path = folder / first.removeprefix("-- file: ")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def _run_line(line: str, where: str, database: str, folder: Path) -> None:
    prompt, command, *arguments = _EXITS.sub("", line).split()
    expected = _EXITS.search(line)
    assert (prompt, command) == ("$", "reconciler"), f"{where}: only the command itself is shown"
    program = "import sys; from reconciler.cli.commands import run; sys.exit(run(sys.argv[1:]))"
    _run([sys.executable, "-c", program, *arguments], int(expected[1]) if expected else 0, where, database, folder)


def _run(command: list[str], expected: int, where: str, database: str, folder: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "RECONCILER_"))}
    run = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env={**inherited, "DATABASE_URL": database, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if run.returncode != expected:
        pytest.fail(f"{where} exits {run.returncode}, not {expected}\n{run.stdout}\n{run.stderr}", pytrace=False)
