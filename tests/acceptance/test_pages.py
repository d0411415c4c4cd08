"""Every example of the README, the start and the tutorials runs: each page from top to bottom, as a reader would do it.

A page has a folder and a database of its own, whose URL is in DATABASE_URL. A block whose first line is `-- file: NAME`
or `# file: NAME` is that file; else `python` is run, and of `console` each line that begins with `$`, whose exit code is
0, or what `# exits N` says. `sh` is what a test cannot do, and is listed here. What stands below a command in a
`console` block is what it prints, but for its numbers.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.one_server
ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "start.md",
    ROOT / "docs" / "ci.md",
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
]
# Of each page, what its `sh` blocks are.
NOT_RUN = {
    "README.md": ["pip install '.[server]'\n"],
    "start.md": ["pip install '.[server]'\n"],
    "fastapi.md": ["pip install fastapi uvicorn 'sqlalchemy[asyncio]' .\n", "uvicorn main:app\n"],
    "kubernetes.md": ["kubectl apply -f migrate.yaml\nkubectl wait --for=condition=complete job/migrate\n"],
}
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"\A(?:--|#) file: (\S+)\n")
_EXITS = re.compile(r"\s+# exits (\d)$")
_TIMEOUT_S = 120


class Block(NamedTuple):
    """A fenced block: its language, its text, and the line of the page on which it starts."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [Block(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in _BLOCK.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_run_or_said_not_to_be(page: Path) -> None:
    assert [block.text for block in blocks(page) if block.language == "sh"] == NOT_RUN.get(page.name, [])
    for block in blocks(page):
        if block.language not in ("sh", "python", "console"):
            assert _FILE.match(block.text), f"{page.name}:{block.line}: a file without a name"


def test_the_make_targets_of_the_readme_are_there() -> None:
    named = set(re.findall(r"make (\w+)  ", PAGES[0].read_text(encoding="utf-8")))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert named == {"demo", "test"}
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in named)


def test_the_links_of_the_readme_lead_somewhere() -> None:
    """Those within the documentation are looked up when its site is built."""
    links = set(re.findall(r"\]\(([^)#:]+)\)", PAGES[0].read_text(encoding="utf-8")))
    assert links
    assert [link for link in sorted(links) if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_the_page_run(page: Path, database: str, tmp_path: Path) -> None:
    ran = 0
    for block in blocks(page):
        if (named := _FILE.match(block.text)) is not None:
            path = tmp_path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            _run([sys.executable, "-c", block.text], 0, f"{page.name}:{block.line}", database, tmp_path)
            ran += 1
        elif block.language == "console":
            ran += _run_console(block, page, database, tmp_path)
    assert ran > 0


def _run_console(block: Block, page: Path, database: str, folder: Path) -> int:
    ran = 0
    for number, part in enumerate(re.split(r"^\$ ", block.text, flags=re.MULTILINE)):
        if not number:
            assert not part, f"{page.name}:{block.line}: begins with a command"
            continue
        line, _, shown = part.partition("\n")
        where = f"{page.name}:{block.line}: {line}"
        command, *arguments = shlex.split(_EXITS.sub("", line))
        program = {"reconciler": ["-m", "reconciler"], "python": []}
        assert command in program, f"{where}: only these commands can be run"
        expected = _EXITS.search(line)
        code = int(expected[1]) if expected else 0
        said = _run([sys.executable, *program[command], *arguments], code, where, database, folder)
        if shown:
            assert _plain(said) == _plain(shown), where
        ran += 1
    return ran


def _plain(text: str) -> list[str]:
    """Its lines without numbers, which differ from run to run, and without empty lines at the end."""
    return [re.sub(r"\d+", "#", line.rstrip()) for line in text.rstrip().splitlines()]


def _run(command: list[str], expected: int, where: str, database: str, folder: Path) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "RECONCILER_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    run = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env={**inherited, "PATH": path, "DATABASE_URL": database, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if run.returncode != expected:
        pytest.fail(f"{where} exits {run.returncode}, not {expected}\n{run.stdout}\n{run.stderr}", pytrace=False)
    return run.stdout
