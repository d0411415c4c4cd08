"""A setting stands once: what the table says reaches the command line, the configuration, plan files and the page."""

from __future__ import annotations

import dataclasses
import json
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from settings_page import PAGE, page

import reconciler
from reconciler import options as options_module
from reconciler.cli.commands import cli
from reconciler.cli.config_file import parse_configuration
from reconciler.cli.options import planning, read_options, setting_option
from reconciler.model.value_kinds import FLAG, NUMBER, SIZE, TABLES, TEXTS, VERSION
from reconciler.options import CHOICES, Options, WhenBehind
from reconciler.settings import PLAN_FORMATS, SETTINGS, Place, stored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.settings import Setting

PACKAGE = Path(reconciler.__file__).parent
USUAL = Options(when_behind=WhenBehind.FAIL)
TEXT_VALUES = {"scratch": "database", "max_lag": "1s", "allow": "may-fail"}
TABLE_VALUES: dict[str, object] = {
    "hazards": [{"verdict": "allow"}],
    "ignore": [{"object": "table:app.*", "reason": "theirs"}],
    "policy": [{"action": "report"}],
}


def unusual(of: Setting) -> Any:
    """A value that is not the usual one, as the configuration has it."""
    if of.kind is TABLES:
        return TABLE_VALUES[of.name]
    if of.choices:
        usual = getattr(USUAL, of.field, None) if of.field else None
        return next(each for each in reversed(of.choices) if each != usual)
    if of.kind is FLAG:
        return True
    if of.kind in (NUMBER, SIZE):
        return 7
    text = TEXT_VALUES.get(of.name, "2" if of.kind is VERSION else "other")
    return [text] if of.kind is TEXTS else text


def test_every_option_is_a_setting() -> None:
    fields = {each.name for each in dataclasses.fields(Options)}
    assert {each.field for each in SETTINGS if each.field is not None} == fields
    names = [each.name for each in SETTINGS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("of", SETTINGS, ids=lambda of: of.name)
def test_whether_a_plan_file_holds_it_is_decided(of: Setting) -> None:
    assert (of.is_stored is not None) == (of.field is not None), "a plan file holds fields of Options alone"


def test_an_option_of_a_few_words_is_taken_as_text_and_checked() -> None:
    kinds = {
        each.name
        for each in dataclasses.fields(Options)
        if isinstance(kind := getattr(options_module, str(each.type).removesuffix(" | None"), None), type)
        and issubclass(kind, StrEnum)
    }
    assert kinds == set(CHOICES)
    for name, kind in CHOICES.items():
        for word in kind:
            assert getattr(Options(**{name: word.value}), name) is word
        with pytest.raises(reconciler.ConfigError, match=f"{name} sometimes does not exist"):
            Options(**{name: "sometimes"})


@pytest.mark.parametrize("of", [each for each in SETTINGS if each.flag], ids=lambda of: of.name)
def test_the_command_line_takes_it(of: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert of.flag is not None
    found: dict[str, Any] = {}
    command = click.command()(planning(lambda **values: found.update(values), formats=PLAN_FORMATS))
    value = unusual(of)
    flag = of.flag.split("/", maxsplit=1)[0]
    given = [flag] if of.kind is FLAG else [flag, *([value] if not isinstance(value, list) else value)]
    command.main(list(map(str, given)), standalone_mode=False)
    assert of.is_said(found[of.name])
    if of.field is not None:
        assert getattr(read_options(found).options, of.field) != getattr(USUAL, of.field)


@pytest.mark.parametrize("of", [each for each in SETTINGS if each.key], ids=lambda of: of.name)
def test_the_configuration_takes_it(of: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of.key is not None
    assert parse_configuration({of.key: unusual(of)}, tmp_path / "reconciler.toml").get(of.name)
    with pytest.raises(reconciler.ConfigError, match=f"{of.key} must be "):
        parse_configuration({of.key: 1.5}, tmp_path / "reconciler.toml")
    if of.field is None or of.kind is TABLES:
        return
    text = json.dumps(unusual(of))
    (tmp_path / "reconciler.toml").write_text(f"{of.key} = {text}\n")
    monkeypatch.chdir(tmp_path)
    assert getattr(read_options({}).options, of.field) != getattr(USUAL, of.field)


def test_the_schema_of_plan_files_has_what_they_hold() -> None:
    schema = json.loads((PAGE.parent / "json-format.schema.json").read_text())
    (options,) = [each for each in _objects(schema) if "online_above_bytes" in each.get("properties", {})]
    fields = [each.field for each in stored()]
    assert sorted(options["properties"]) == sorted(options["required"]) == sorted(map(str, fields))


def _objects(value: object) -> Iterable[dict[str, Any]]:
    members: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict):
        yield value
    for each in members:
        yield from _objects(each)


def _commands(group: click.Group) -> Iterable[click.Command]:
    for each in group.commands.values():
        yield from _commands(each) if isinstance(each, click.Group) else [each]


def test_no_command_writes_a_setting_down_itself() -> None:
    flags = {each.name: each.flag for each in SETTINGS if each.flag}
    for command in _commands(cli):
        for parameter in command.params:
            if not isinstance(parameter, click.Option) or parameter.name not in flags:
                continue
            of = next(each for each in SETTINGS if each.name == parameter.name)
            (usual,) = _options_of(setting_option(of.name))
            assert (parameter.opts, parameter.secondary_opts) == (usual.opts, usual.secondary_opts), command.name
            assert (parameter.multiple, parameter.is_flag) == (usual.multiple, usual.is_flag), command.name


def _options_of(decorate: Any) -> list[click.Option]:
    return [each for each in click.command()(decorate(lambda: None)).params if isinstance(each, click.Option)]


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `python tests/settings_page.py`"


def test_the_page_has_every_variable_of_ours() -> None:
    read = {name for path in PACKAGE.rglob("*.py") for name in re.findall(r"\bRECONCILER_[A-Z_]+\b", path.read_text())}
    assert read <= set(re.findall(r"\bRECONCILER_[A-Z_]+\b", PAGE.read_text("utf-8")))


def test_only_a_setting_of_the_library_has_no_other_place() -> None:
    assert [each.name for each in SETTINGS if not each.flag and not each.key] == [
        each.name for each in SETTINGS if each.place is Place.LIBRARY
    ]
