"""What is run because a file says so is taken only from folders that are ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from reconciler import ConfigError
from reconciler.cli.commands import run
from reconciler.cli.config_file import find_configuration
from reconciler.source.ownership import SAFE_VARIABLE
from reconciler.source.reading import parse_source

if TYPE_CHECKING:
    from pathlib import Path

OTHER = 4321


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(SAFE_VARIABLE, raising=False)
    monkeypatch.delenv("SUDO_UID", raising=False)
    folder = tmp_path / "project"
    folder.mkdir(mode=0o755)
    (folder / "reconciler.toml").write_text('source = "cmd:touch ran; echo \\"create table t ();\\""\n')
    (folder / "reconciler.toml").chmod(0o644)
    (folder / "models.py").write_text("open('ran', 'w').close()\nsql = 'create table t ();'\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("name", [".", "reconciler.toml", "pyproject.toml"])
@pytest.mark.parametrize("change", ["owner", "mode", "mode and sticky"])
def test_a_configuration_that_others_can_write_is_refused_and_runs_nothing(
    project: Path, name: str, change: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "pyproject.toml":
        text = (project / "reconciler.toml").read_text()
        (project / "reconciler.toml").unlink()
        (project / name).write_text(f"[tool.reconciler]\n{text}")
    path = project / name
    if change == "owner":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(path, OTHER, -1)
    else:
        path.chmod(path.stat().st_mode | (0o002 if change == "mode" else 0o1002))
    below = project / "below"
    below.mkdir()
    for folder in (project, below):
        monkeypatch.chdir(folder)
        assert run(["plan", "--dsn", "postgresql://nobody@/x"]) == 1
        said = capsys.readouterr().err
        assert "the configuration is not taken from" in said
        assert ("belongs to user 4321" if change == "owner" else "may be written to by everybody") in said
        assert f"{SAFE_VARIABLE}={project}" in said
        assert not list(project.rglob("ran"))
    monkeypatch.setenv(SAFE_VARIABLE, str(project))
    assert find_configuration(below).folder == project
    monkeypatch.setenv(SAFE_VARIABLE, f"/elsewhere{os.pathsep}*")
    assert find_configuration(below).folder == project


def test_what_is_ours_and_what_says_nothing_of_us_is_taken(project: Path) -> None:
    assert find_configuration(project).get("source") is not None
    (project / "reconciler.toml").unlink()
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    project.chmod(0o777)
    assert find_configuration(project).get("source") is None


def test_a_module_is_imported_from_no_folder_that_everybody_may_write_to(project: Path) -> None:
    project.chmod(0o777)
    with pytest.raises(ConfigError, match="python:models:sql is not taken from"):
        parse_source(["python:models:sql"], cwd=project)
    assert not (project / "ran").exists()
    project.chmod(0o755)
    parse_source(["python:models:sql"], cwd=project)
    assert (project / "ran").exists()
