"""sql/ is one folder, found in a checkout and in a wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from reconciler.db.sqlfiles import read_sql

REPOSITORY = Path(__file__).parents[2]
SQL_FILES = sorted(path.relative_to(REPOSITORY / "sql").as_posix() for path in (REPOSITORY / "sql").rglob("*.sql"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(REPOSITORY),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return next(folder.glob("reconciler-*.whl"))


@pytest.mark.parametrize("relative", SQL_FILES)
def test_every_file_is_read_from_the_checkout(relative: str) -> None:
    assert read_sql(relative) == (REPOSITORY / "sql" / relative).read_text(encoding="utf-8")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"catalog/nothing\.sql"):
        read_sql("catalog/nothing.sql")


def test_the_wheel_holds_every_file_beside_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert SQL_FILES
    assert {f"reconciler/sql/{relative}" for relative in SQL_FILES} <= names
    assert {"reconciler/py.typed", "reconciler/embedded/watcher.py"} <= names


def test_an_unpacked_wheel_reads_its_own_files(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = "import sys; from reconciler.db.sqlfiles import read_sql; print(read_sql(sys.argv[1]), end='')"
    result = subprocess.run(
        [sys.executable, "-c", program, SQL_FILES[0]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.stdout == (REPOSITORY / "sql" / SQL_FILES[0]).read_text(encoding="utf-8"), result.stderr
