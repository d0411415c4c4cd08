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
from reconciler.model.replication import MaxLag
from reconciler.options import Drops, Options, Partitions, Proof, WhenBehind
from reconciler.source.ownership import SAFE_VARIABLE, is_declared_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

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
    "source_of",
]

Command = TypeVar("Command", bound="Callable[..., Any]")


FORMATS = ("text", "json", "sql")
CHECK_FORMATS = (*FORMATS, "markdown", "html")
PLAN_FORMATS = (*CHECK_FORMATS, "sarif")
_SOURCE_FORMATS = ("auto", "plain", "flyway", "goose", "dbmate", "golang-migrate", "prisma", "drizzle")
_DESTRUCTIVE = "RECONCILER_ALLOW_DESTRUCTIVE"
_USUAL = Options()

ALL_PLUGINS = click.option("--all-plugins", is_flag=True, help="All plugins that the ledger has recorded.")


@dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """The options as they hold: those of the command line, else those of the configuration."""

    dsn: str | None
    local: bool
    plugin: str
    output: str
    sources: tuple[str, ...]
    source_format: str
    folder: Path
    options: Options
    dry_run: bool
    configuration: str = "the configuration"
    show_ignored: bool = False
    details: bool = False
    policies: tuple[Policy, ...] = ()


def read_options(values: dict[str, Any], *, formats: Sequence[str] = FORMATS) -> CommandOptions:
    found = find_configuration(Path.cwd())
    if found.folder is not None and is_declared_safe(found.folder):
        print_warnings([f"{SAFE_VARIABLE} allows the configuration of {found.folder}, whoever can write there"])

    def pick(name: str, default: Any) -> Any:
        given = values.get(name)
        if given is None or given == () or given is False:
            given = getattr(found, name, None)
        return default if given is None else given

    standing = consents(found.allow or ())
    narrowed = sorted(text for text in standing if ":" in text)
    allow = consents(values.get("allow") or ()) | standing.difference(narrowed)
    if pick("allow_empty", default=False):
        allow |= {HazardKind.EMPTY_SOURCE}
    if os.environ.get(_DESTRUCTIVE, "").lower() == "true":
        allow |= {HazardKind.DATA_LOSS}
        print_warnings([f"{_DESTRUCTIVE}=true allows the loss of data"])
    output = str(pick("format", "text"))
    if output not in formats:
        if values.get("format") is not None or output not in PLAN_FORMATS:
            raise ConfigError(f"format {output} does not exist here", hint=f"known are: {', '.join(formats)}")
        output = "text"
    given_sources = tuple(values.get("sources") or ())
    plugin = pick("plugin", DEFAULT_PLUGIN)
    require_plugin_name(plugin)
    if values.get("local") and values.get("dsn") is not None:
        raise ConfigError("--local and --dsn cannot be combined", hint="name a database, or use the private Postgres")
    return CommandOptions(
        dsn=None if values.get("local") else find_dsn(values.get("dsn"), found.dsn),
        local=bool(pick("local", default=False)),
        plugin=plugin,
        output=output,
        sources=given_sources or found.source or (),
        source_format=_source_format(pick("source_format", "auto")),
        folder=Path.cwd() if given_sources or found.folder is None else found.folder,
        options=Options(
            schemas=tuple(pick("schema", ())) or None,
            all_schemas=bool(pick("all_schemas", _USUAL.all_schemas)),
            exact=bool(pick("exact", _USUAL.exact)),
            scratch=pick("scratch", _USUAL.scratch),
            allow=allow,
            hazard_rules=(*(rule_of_consent(text) for text in narrowed), *(found.hazards or ())),
            ignore_unmodelled=bool(pick("ignore_unmodelled", _USUAL.ignore_unmodelled)),
            proof=_proof(values, found),
            lock_timeout_ms=int(pick("lock_timeout", _USUAL.lock_timeout_ms)),
            lock_retries=int(pick("lock_retries", _USUAL.lock_retries)),
            online=values["online"] if values.get("online") is not None else found.online,
            online_above_bytes=int(pick("online_above", _USUAL.online_above_bytes)),
            keep_column_order=bool(pick("keep_column_order", _USUAL.keep_column_order)),
            preflight=not pick("no_preflight", not _USUAL.preflight),
            preflight_timeout_ms=int(pick("preflight_timeout", _USUAL.preflight_timeout_ms)),
            search_path=tuple(pick("search_path", _USUAL.search_path)),
            when_behind=WhenBehind.APPLY if _allows_older(values) else WhenBehind.FAIL,
            version=pick("app_version", _USUAL.version),
            drops=pick("drops", _USUAL.drops),
            ignore=found.ignore or (),
            share=bool(pick("share", _USUAL.share)),
            ledger_schema=pick("ledger_schema", _USUAL.ledger_schema),
            partitions=_partitions(pick("partitions", _USUAL.partitions)),
            max_lag=_USUAL.max_lag if (lag := pick("max_lag", None)) is None else MaxLag.parse(lag),
            record_values=bool(pick("record_values", _USUAL.record_values)),
        ),
        dry_run=bool(values.get("dry_run")),
        configuration=found.name or "the configuration",
        show_ignored=bool(values.get("show_ignored")),
        details=bool(values.get("details")),
        policies=found.policy or (),
    )


def _allows_older(values: dict[str, Any]) -> bool:
    """Whether the command line itself says so: by its own option, or by allowing all; never the configuration."""
    return bool(values.get("allow_older")) or EVERYTHING in (values.get("allow") or ())


def _source_format(text: str) -> str:
    if text not in _SOURCE_FORMATS:
        raise ConfigError(f"source-format {text} does not exist", hint=f"it is one of {', '.join(_SOURCE_FORMATS)}")
    return text


def _partitions(said: str) -> Partitions:
    try:
        return Partitions(said)
    except ValueError as exc:
        raise ConfigError(f"partitions {said} does not exist", hint=f"it is one of {', '.join(Partitions)}") from exc


def _proof(values: dict[str, Any], found: Configuration) -> Proof:
    """How the plan is rehearsed; --no-proof is --proof off, and what the command line says holds."""
    said = values.get("proof") or (Proof.OFF if values.get("no_proof") else None)
    said = said or found.proof or (Proof.OFF if found.no_proof else _USUAL.proof)
    try:
        return Proof(said)
    except ValueError as exc:
        raise ConfigError(f"proof {said} does not exist", hint=f"it is one of {', '.join(Proof)}") from exc


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
    from reconciler.source.migration_folders import SourceFormat
    from reconciler.source.reading import parse_source
    from reconciler.source.source import Source

    empty_is_meant = HazardKind.EMPTY_SOURCE in chosen.options.allow
    source = parse_source(
        chosen.sources,
        cwd=chosen.folder,
        allow_empty=empty_is_meant,
        source_format=SourceFormat(chosen.source_format),
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


def connecting(command: Command, *, formats: Sequence[str] = FORMATS) -> Command:
    for option in (
        click.option("--format", "format", type=click.Choice(formats), help="How to print the result."),
        click.option(
            "--plugin",
            metavar="NAME",
            help=f"The namespace whose schema and history are meant.  [default: {DEFAULT_PLUGIN}]",
        ),
        click.option(
            "--ledger-schema",
            metavar="NAME",
            envvar="RECONCILER_LEDGER_SCHEMA",
            help="The schema of the ledger; else RECONCILER_LEDGER_SCHEMA, or where it is found.",
        ),
        click.option("--local", is_flag=True, help="Use a private Postgres, whose data stays in .reconciler/."),
        click.option("--dsn", metavar="URL", help="The database; else RECONCILER_DSN, DATABASE_URL, PG* variables."),
    ):
        command = option(command)
    return command


def reconciling(command: Command, *, formats: Sequence[str] = FORMATS) -> Command:
    return click.argument("sources", nargs=-1, metavar="[SOURCE]...")(planning(command, formats=formats))


def planning(command: Command, *, formats: Sequence[str] = FORMATS) -> Command:
    for option in (
        click.option(
            "--online/--no-online",
            default=None,
            help="Change all tables, or none, in steps that do not block reads or writes.  [default: the large ones]",
        ),
        click.option(
            "--keep-column-order",
            is_flag=True,
            help="Where a column is exchanged for another in steps, exchange those behind it too.",
        ),
        click.option(
            "--lock-retries",
            type=click.IntRange(min=0),
            metavar="N",
            help="How often to retry when a lock is not granted.",
        ),
        click.option(
            "--lock-timeout",
            type=click.IntRange(min=0),
            metavar="MS",
            help="How long to wait for a lock, at each try.",
        ),
        click.option(
            "--preflight-timeout",
            type=click.IntRange(min=1),
            metavar="MS",
            help=f"How long each query of the preflight may run.  [default: {_USUAL.preflight_timeout_ms}]",
        ),
        click.option(
            "--max-lag",
            metavar="TIME,SIZE",
            help="How far standbys and slots may be behind while rows are backfilled, or `off`.  [default: 10s,1GB]",
        ),
        click.option(
            "--record-values", is_flag=True, help="Keep keys and values of rows, which errors quote, in the ledger."
        ),
        click.option(
            "--search-path",
            multiple=True,
            metavar="SCHEMA",
            help="Where functions that the statements call may look for names without a schema; may be repeated."
            "  [default: pg_catalog alone]",
        ),
        click.option(
            "--no-preflight", is_flag=True, help="Do not check before locking what would make a statement fail."
        ),
        click.option("--no-proof", is_flag=True, help="The same as --proof off."),
        click.option(
            "--proof",
            type=click.Choice([each.value for each in Proof]),
            help="Rehearse the plan in scratch first, on live's schema, or with sampled rows too."
            f"  [default: {_USUAL.proof}]",
        ),
        click.option("--ignore-unmodelled", is_flag=True, help="Continue although there are unsupported changes."),
        click.option(
            "--source-format",
            type=click.Choice(_SOURCE_FORMATS),
            help="Whose migrations the files of a folder are; plain reads them all, by name.  [default: auto]",
        ),
        click.option("--allow-empty", is_flag=True, help="The source may declare nothing."),
        click.option(
            "--allow",
            multiple=True,
            metavar="HAZARD[:OBJECT]",
            help="Allow a hazard of the plan, for one object (data-loss:table:app.old) or for all:"
            f" {', '.join(kind.value.replace('_', '-') for kind in HazardKind)}, all.",
        ),
        click.option(
            "--scratch",
            metavar="auto|schema|database|URL",
            help=f"Where Postgres builds the declared schema.  [default: {_USUAL.scratch}]",
        ),
        click.option(
            "--allow-older",
            is_flag=True,
            help="The declaration may be older than what the database is at: an earlier migration's, or of a lower"
            " version. --allow all says so, too.",
        ),
        click.option(
            "--app-version",
            metavar="VERSION",
            help="The application's version, a number or a text like 1.10.2; a lower one than was recorded is older.",
        ),
        click.option(
            "--drops",
            type=click.Choice([each.value for each in Drops]),
            help="When what is no longer declared is dropped: now, or by the next migration."
            f"  [default: {_USUAL.drops}]",
        ),
        click.option(
            "--partitions",
            type=click.Choice([each.value for each in Partitions]),
            help="Whether partitions that the source does not name are left alone, or dropped."
            f"  [default: {_USUAL.partitions}]",
        ),
        click.option(
            "--share",
            is_flag=True,
            help="Manage objects in a schema that another plugin managed first, beside its own.",
        ),
        click.option("--details", is_flag=True, help="Show each statement of a plan, with its locks and reasons."),
        click.option("--show-ignored", is_flag=True, help="List what the configuration's ignore rules leave alone."),
        click.option("--exact", is_flag=True, help="Owners, privileges and unknown objects must be as declared too."),
        click.option("--all-schemas", is_flag=True, help="Manage every schema of the database."),
        click.option(
            "--schema", multiple=True, metavar="NAME", help="A schema to manage, for the plugin's own; may be repeated."
        ),
    ):
        command = option(command)
    return connecting(command, formats=formats)
