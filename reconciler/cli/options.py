"""The options of the commands, joined with the configuration, and what they open. Does I/O."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.config_file import find_configuration
from reconciler.cli.console import find_dsn, opened, print_warnings
from reconciler.errors import ConfigError
from reconciler.hazards.policy import EVERYTHING, consents, rule_of_consent
from reconciler.model.hazards import HazardKind
from reconciler.model.plugins import DEFAULT_PLUGIN, require_plugin_name
from reconciler.model.value_kinds import FLAG, NUMBER, TEXT, TEXTS
from reconciler.options import Options, WhenBehind
from reconciler.settings import CHECK_FORMATS, FORMATS, PLAN_FORMATS, SETTINGS, Place, setting
from reconciler.source.migration_folders import SourceFormat
from reconciler.source.ownership import SAFE_VARIABLE, is_declared_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from reconciler.cli.config_file import Configuration
    from reconciler.client import Reconciler
    from reconciler.model.policies import Policy
    from reconciler.source.source import AnySource

__all__ = [
    "ALL_PLUGINS",
    "CHECK_FORMATS",
    "PLAN_FORMATS",
    "CommandOptions",
    "connecting",
    "open_reconciler",
    "planning",
    "read_options",
    "reconciling",
    "setting_option",
    "source_of",
]

Command = TypeVar("Command", bound="Callable[..., Any]")


ALL_PLUGINS = click.option("--all-plugins", is_flag=True, help="All plugins that the ledger has recorded.")


@dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """The options as they hold: those of the command line, else those of the configuration."""

    dsn: str | None
    local: bool
    plugin: str
    output: str
    sources: tuple[str, ...]
    source_format: SourceFormat
    folder: Path
    options: Options
    dry_run: bool
    configuration: str = "the configuration"
    show_ignored: bool = False
    details: bool = False
    policies: tuple[Policy, ...] = ()


def read_options(values: dict[str, Any], *, formats: Sequence[str] = FORMATS) -> CommandOptions:
    """The settings of a command that was given these values of the command line."""
    found = find_configuration(Path.cwd())
    if found.folder is not None and is_declared_safe(found.folder):
        print_warnings([f"{SAFE_VARIABLE} allows the configuration of {found.folder}, whoever can write there"])
    if values.get("local") and values.get("dsn") is not None:
        raise ConfigError("--local and --dsn cannot be combined", hint="name a database, or use the private Postgres")
    plugin = _either(values, found, "plugin") or DEFAULT_PLUGIN
    require_plugin_name(plugin)
    sources = tuple(values.get("sources") or ())
    return CommandOptions(
        dsn=None if values.get("local") else find_dsn(values.get("dsn"), found.get("dsn")),
        local=bool(_either(values, found, "local")),
        plugin=plugin,
        output=_output(values, found, formats),
        sources=sources or found.get("source") or (),
        source_format=_source_format(_either(values, found, "source_format")),
        folder=Path.cwd() if sources or found.folder is None else found.folder,
        options=Options(**_fields(values, found)),
        dry_run=bool(values.get("dry_run")),
        configuration=found.name or "the configuration",
        show_ignored=bool(values.get("show_ignored")),
        details=bool(values.get("details")),
        policies=found.get("policy") or (),
    )


def _either(values: Mapping[str, Any], found: Configuration, name: str) -> Any:
    """What the command line says of a setting, else the configuration; None where neither does."""
    given = values.get(name)
    return given if setting(name).is_said(given) else found.get(name)


def _fields(values: Mapping[str, Any], found: Configuration) -> dict[str, Any]:
    """The fields of `Options` that are said: by the command line, else the environment, else the configuration."""
    fields: dict[str, Any] = {"when_behind": WhenBehind.FAIL}
    for said in (found.values, _environment(), values):
        for each in reversed(SETTINGS):
            if each.field is not None and each.is_said(said.get(each.name)):
                fields[each.field] = each.value_of(said[each.name])
    if EVERYTHING in (values.get("allow") or ()):
        fields["when_behind"] = WhenBehind.APPLY
    return {**fields, **_consents(values, found)}


def _environment() -> dict[str, str]:
    """The settings that variables of the environment give as text."""
    return {
        each.name: os.environ[variable]
        for each in SETTINGS
        for variable in each.variables
        if each.kind is TEXT and os.environ.get(variable)
    }


def _consents(values: Mapping[str, Any], found: Configuration) -> dict[str, Any]:
    """What is allowed: by the command line, the environment, and after these by the configuration's rules."""
    standing = consents(found.get("allow") or ())
    narrowed = sorted(text for text in standing if ":" in text)
    allow = consents(values.get("allow") or ()) | standing.difference(narrowed)
    if _either(values, found, "allow_empty"):
        allow |= {HazardKind.EMPTY_SOURCE}
    (variable,) = setting("allow").variables
    if os.environ.get(variable, "").lower() == "true":
        allow |= {HazardKind.DATA_LOSS}
        print_warnings([f"{variable}=true allows the loss of data"])
    rules = (*(rule_of_consent(text) for text in narrowed), *(found.get("hazards") or ()))
    return {"allow": allow, "hazard_rules": rules}


def _output(values: Mapping[str, Any], found: Configuration, formats: Sequence[str]) -> str:
    output = str(_either(values, found, "format") or "text")
    if output in formats:
        return output
    if values.get("format") is not None or output not in PLAN_FORMATS:
        raise ConfigError(f"format {output} does not exist here", hint=f"known are: {', '.join(formats)}")
    return "text"


def _source_format(given: str | None) -> SourceFormat:
    try:
        return SourceFormat.AUTO if given is None else SourceFormat(given)
    except ValueError as exc:
        raise ConfigError(
            f"source-format {given} does not exist", hint=f"it is one of {', '.join(SourceFormat)}"
        ) from exc


def _require_sense(options: Options) -> None:
    """Raises ConfigError where the options cannot serve, alone or together."""
    named = "=" in options.scratch or "://" in options.scratch
    if options.scratch not in ("auto", "schema", "database") and not named:
        raise ConfigError(
            f"scratch {options.scratch} does not exist", hint="it is auto, schema, database or a server's URL"
        )
    if options.schemas and options.all_schemas:
        raise ConfigError("--schema and --all-schemas cannot be combined", hint="name the schemas, or take all")


def source_of(chosen: CommandOptions) -> AnySource:
    from reconciler.source.reading import parse_source
    from reconciler.source.source import Source

    empty_is_meant = HazardKind.EMPTY_SOURCE in chosen.options.allow
    source = parse_source(
        chosen.sources,
        cwd=chosen.folder,
        allow_empty=empty_is_meant,
        source_format=chosen.source_format,
    )
    if isinstance(source, Source):
        print_warnings(source.warnings)
    return source


@contextmanager
def open_reconciler(chosen: CommandOptions) -> Generator[Reconciler]:
    _require_sense(chosen.options)
    with opened(chosen.dsn, local=chosen.local) as dsn:
        from reconciler.client import Reconciler
        from reconciler.db.connections import errors_as, version_note

        with Reconciler(dsn, options=chosen.options) as reconciler, errors_as():
            note = version_note(reconciler.connection)
            print_warnings([note] if note else [])
            yield reconciler


def setting_option(name: str, **changes: Any) -> Callable[[Command], Command]:
    """The command line's option for a setting, with what is otherwise about it in one command."""
    of = setting(name)
    assert of.flag is not None
    details: dict[str, Any] = {"help": of.help if of.default is None else f"{of.help}  [default: {of.default}]"}
    if of.kind is FLAG:
        details |= {"default": None} if of.can_be_denied else {"is_flag": True}
    elif of.kind is NUMBER:
        details["type"] = click.IntRange(min=of.least)
    elif of.choices:
        details["type"] = click.Choice(of.choices)
    details |= {"metavar": of.metavar, "multiple": of.kind is TEXTS, **changes}
    return click.option(of.flag, name, **details)


def connecting(command: Command, *, formats: Sequence[str] = FORMATS) -> Command:
    for each in reversed(SETTINGS):
        if each.place is Place.CONNECTION:
            changes = {"type": click.Choice(formats)} if each.name == "format" else {}
            command = setting_option(each.name, **changes)(command)
    return command


def reconciling(command: Command, *, formats: Sequence[str] = FORMATS) -> Command:
    return click.argument("sources", nargs=-1, metavar="[SOURCE]...")(planning(command, formats=formats))


def planning(command: Command, *, formats: Sequence[str] = FORMATS) -> Command:
    for each in reversed(SETTINGS):
        if each.place is Place.PLANNING:
            command = setting_option(each.name)(command)
    return connecting(command, formats=formats)
