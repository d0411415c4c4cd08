"""Every setting, once. No I/O.

The command line's options, the configuration's keys, the variables of the environment, what a plan file holds and
docs/settings.md follow from the table: a new field of `Options` needs an entry here and nothing elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.model.hazards import HazardKind
from reconciler.model.plugins import DEFAULT_PLUGIN
from reconciler.model.replication import MaxLag, describe_bytes
from reconciler.model.value_kinds import FLAG, NUMBER, SIZE, TABLES, TEXT, TEXTS, VERSION
from reconciler.options import Drops, OnDrift, Options, Partitions, Proof, WhenBehind
from reconciler.source.migration_folders import SourceFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reconciler.model.value_kinds import ValueKind

__all__ = ["CHECK_FORMATS", "FORMATS", "PLAN_FORMATS", "SETTINGS", "Place", "Setting", "setting", "stored"]

FORMATS = ("text", "json", "sql")
CHECK_FORMATS = (*FORMATS, "markdown", "html")
PLAN_FORMATS = (*CHECK_FORMATS, "sarif")

_USUAL = Options()


class Place(StrEnum):
    """Where a setting can be given, besides `Options`: with every command, with those that plan, or in a file alone."""

    CONNECTION = "connection"
    PLANNING = "planning"
    FILE = "file"
    LIBRARY = "library"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: `lock_timeout` is `--lock-timeout`, and the key lock-timeout or lock_timeout.

    `field` is that of `Options` which it sets, to `means` where it is a flag for one value of it. `is_stored`: a plan
    file holds it, since it decides which statements a plan has. `can_be_denied`: there is a `--no-` of it, too.
    """

    name: str
    kind: ValueKind[Any] = TEXT
    help: str
    place: Place
    field: str | None = None
    means: object = None
    is_stored: bool | None = None
    is_in_file: bool = True
    choices: tuple[str, ...] = ()
    can_be_denied: bool = False
    least: int = 0
    metavar: str | None = None
    usual: str | None = None
    variables: tuple[str, ...] = ()
    converted: Callable[[Any], Any] | None = None

    @property
    def flag(self) -> str | None:
        """`--lock-timeout`; None where the command line has no option for it."""
        if self.place in (Place.FILE, Place.LIBRARY):
            return None
        name = self.name.replace("_", "-")
        return f"--{name}/--no-{name}" if self.can_be_denied else f"--{name}"

    @property
    def key(self) -> str | None:
        """`lock-timeout`; None where the configuration has no key for it."""
        return self.name.replace("_", "-") if self.is_in_file and self.place is not Place.LIBRARY else None

    @property
    def default(self) -> str | None:
        """What holds where nothing is said, for people; None where that needs no word."""
        if self.usual is not None or self.field is None or self.means is not None:
            return self.usual
        value = getattr(_USUAL, self.field)
        return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else None

    def is_said(self, given: object) -> bool:
        """Whether a value says something: a flag that is not set does not, unless there is another to deny it."""
        return given is not None and given != () and (given is not False or self.can_be_denied)

    def value_of(self, given: Any) -> Any:
        """The value of the field of `Options`."""
        if self.means is not None:
            return self.means
        return given if self.converted is None else self.converted(given)


_CONNECTION = (
    Setting(
        name="dsn",
        metavar="URL",
        place=Place.CONNECTION,
        variables=("RECONCILER_DSN", "DATABASE_URL"),
        help="The database; else RECONCILER_DSN, DATABASE_URL, PG* variables.",
    ),
    Setting(
        name="local",
        kind=FLAG,
        place=Place.CONNECTION,
        help="Use a private Postgres, whose data stays in .reconciler/.",
    ),
    Setting(
        name="ledger_schema",
        metavar="NAME",
        place=Place.CONNECTION,
        field="ledger_schema",
        is_stored=False,
        variables=("RECONCILER_LEDGER_SCHEMA",),
        help="The schema of the ledger; else RECONCILER_LEDGER_SCHEMA, or where it is found.",
    ),
    Setting(
        name="plugin",
        metavar="NAME",
        place=Place.CONNECTION,
        usual=DEFAULT_PLUGIN,
        help="The namespace whose schema and history are meant.",
    ),
    Setting(name="format", choices=PLAN_FORMATS, place=Place.CONNECTION, help="How to print the result."),
)

_PLANNING = (
    Setting(
        name="schema",
        kind=TEXTS,
        metavar="NAME",
        place=Place.PLANNING,
        field="schemas",
        is_stored=True,
        help="A schema to manage, for the plugin's own; may be repeated.",
    ),
    Setting(
        name="all_schemas",
        kind=FLAG,
        place=Place.PLANNING,
        field="all_schemas",
        is_stored=True,
        help="Manage every schema of the database.",
    ),
    Setting(
        name="exact",
        kind=FLAG,
        place=Place.PLANNING,
        field="exact",
        is_stored=True,
        help="Owners, privileges and unknown objects must be as declared too.",
    ),
    Setting(
        name="show_ignored",
        kind=FLAG,
        place=Place.PLANNING,
        is_in_file=False,
        help="List what the configuration's ignore rules leave alone.",
    ),
    Setting(
        name="details",
        kind=FLAG,
        place=Place.PLANNING,
        is_in_file=False,
        help="Show each statement of a plan, with its locks and reasons.",
    ),
    Setting(
        name="share",
        kind=FLAG,
        place=Place.PLANNING,
        field="share",
        is_stored=True,
        help="Manage objects in a schema that another plugin managed first, beside its own.",
    ),
    Setting(
        name="partitions",
        choices=tuple(each.value for each in Partitions),
        place=Place.PLANNING,
        field="partitions",
        is_stored=True,
        help="Whether partitions that the source does not name are left alone, or dropped.",
    ),
    Setting(
        name="drops",
        choices=tuple(each.value for each in Drops),
        place=Place.PLANNING,
        field="drops",
        is_stored=True,
        help="When what is no longer declared is dropped: now, or by the next migration.",
    ),
    Setting(
        name="app_version",
        kind=VERSION,
        metavar="VERSION",
        place=Place.PLANNING,
        field="version",
        is_stored=True,
        help="The application's version, a number or a text like 1.10.2; a lower one than was recorded is older.",
    ),
    Setting(
        name="allow_older",
        kind=FLAG,
        place=Place.PLANNING,
        field="when_behind",
        means=WhenBehind.APPLY,
        is_stored=False,
        is_in_file=False,
        help="The declaration may be older than what the database is at: an earlier migration's, or of a lower version."
        " --allow all says so, too.",
    ),
    Setting(
        name="scratch",
        metavar="auto|schema|database|URL",
        place=Place.PLANNING,
        field="scratch",
        is_stored=False,
        help="Where Postgres builds the declared schema.",
    ),
    Setting(
        name="allow",
        kind=TEXTS,
        metavar="HAZARD[:OBJECT]",
        place=Place.PLANNING,
        field="allow",
        is_stored=False,
        variables=("RECONCILER_ALLOW_DESTRUCTIVE",),
        help="Allow a hazard of the plan, for one object (data-loss:table:app.old) or for all:"
        f" {', '.join(kind.word for kind in HazardKind)}, all.",
    ),
    Setting(name="allow_empty", kind=FLAG, place=Place.PLANNING, help="The source may declare nothing."),
    Setting(
        name="source_format",
        choices=tuple(each.value for each in SourceFormat),
        place=Place.PLANNING,
        usual=SourceFormat.AUTO.value,
        help="Whose migrations the files of a folder are; plain reads them all, by name.",
    ),
    Setting(
        name="ignore_unmodelled",
        kind=FLAG,
        place=Place.PLANNING,
        field="ignore_unmodelled",
        is_stored=False,
        help="Continue although there are unsupported changes.",
    ),
    Setting(
        name="proof",
        choices=tuple(each.value for each in Proof),
        place=Place.PLANNING,
        field="proof",
        is_stored=False,
        help="Rehearse the plan in scratch first, on live's schema, or with sampled rows too.",
    ),
    Setting(
        name="no_proof",
        kind=FLAG,
        place=Place.PLANNING,
        field="proof",
        means=Proof.OFF,
        is_stored=False,
        help="The same as --proof off.",
    ),
    Setting(
        name="no_preflight",
        kind=FLAG,
        place=Place.PLANNING,
        field="preflight",
        means=False,
        is_stored=False,
        help="Do not check before locking what would make a statement fail.",
    ),
    Setting(
        name="search_path",
        kind=TEXTS,
        metavar="SCHEMA",
        place=Place.PLANNING,
        field="search_path",
        is_stored=True,
        usual="pg_catalog alone",
        help="Where functions that the statements call may look for names without a schema; may be repeated.",
    ),
    Setting(
        name="record_values",
        kind=FLAG,
        place=Place.PLANNING,
        field="record_values",
        is_stored=False,
        help="Keep keys and values of rows, which errors quote, in the ledger.",
    ),
    Setting(
        name="max_lag",
        metavar="TIME,SIZE",
        place=Place.PLANNING,
        field="max_lag",
        is_stored=False,
        usual="10s,1GB",
        converted=MaxLag.parse,
        help="How far standbys and slots may be behind while rows are backfilled, or `off`.",
    ),
    Setting(
        name="preflight_timeout",
        kind=NUMBER,
        metavar="MS",
        place=Place.PLANNING,
        field="preflight_timeout_ms",
        is_stored=False,
        least=1,
        help="How long each query of the preflight may run.",
    ),
    Setting(
        name="lock_timeout",
        kind=NUMBER,
        metavar="MS",
        place=Place.PLANNING,
        field="lock_timeout_ms",
        is_stored=False,
        help="How long to wait for a lock, at each try.",
    ),
    Setting(
        name="lock_retries",
        kind=NUMBER,
        metavar="N",
        place=Place.PLANNING,
        field="lock_retries",
        is_stored=False,
        help="How often to retry when a lock is not granted.",
    ),
    Setting(
        name="keep_column_order",
        kind=FLAG,
        place=Place.PLANNING,
        field="keep_column_order",
        is_stored=True,
        help="Where a column is exchanged for another in steps, exchange those behind it too.",
    ),
    Setting(
        name="online",
        kind=FLAG,
        place=Place.PLANNING,
        field="online",
        is_stored=True,
        can_be_denied=True,
        usual="the large ones",
        help="Change all tables, or none, in steps that do not block reads or writes.",
    ),
)

_FILE = (
    Setting(name="source", kind=TEXTS, place=Place.FILE, help="What is declared, where a command has no SOURCE."),
    Setting(
        name="online_above",
        kind=SIZE,
        place=Place.FILE,
        field="online_above_bytes",
        is_stored=True,
        usual=describe_bytes(_USUAL.online_above_bytes),
        help="How large a table must be to be changed in steps, where --online does not say it.",
    ),
    Setting(
        name="hazards",
        kind=TABLES,
        place=Place.FILE,
        field="hazard_rules",
        is_stored=False,
        help="Rules for which hazards are refused ([hazards.md](hazards.md)).",
    ),
    Setting(
        name="ignore",
        kind=TABLES,
        place=Place.FILE,
        field="ignore",
        is_stored=False,
        help="Rules for what to leave alone ([borders.md](borders.md)).",
    ),
    Setting(
        name="policy",
        kind=TABLES,
        place=Place.FILE,
        help="Rules for what `watch` does about drift ([watch.md](watch.md)).",
    ),
)

_LIBRARY = (
    Setting(
        name="when_behind",
        choices=tuple(each.value for each in WhenBehind),
        place=Place.LIBRARY,
        field="when_behind",
        is_stored=False,
        help="What a start does with an older declaration; the command line fails, unless with --allow-older.",
    ),
    Setting(
        name="on_drift",
        choices=tuple(each.value for each in OnDrift),
        place=Place.LIBRARY,
        field="on_drift",
        is_stored=False,
        usual="heal; at a start warn",
        help="What a start does about objects that somebody changed by hand.",
    ),
    Setting(
        name="depends_on",
        kind=TABLES,
        place=Place.LIBRARY,
        field="depends_on",
        is_stored=False,
        help="Which plugins run before a plugin.",
    ),
)

# In the order in which `--help` and the page show them.
SETTINGS = (*_CONNECTION, *_PLANNING, *_FILE, *_LIBRARY)

_BY_NAME: Mapping[str, Setting] = {each.name: each for each in SETTINGS}


def setting(name: str) -> Setting:
    """The setting of that name."""
    return _BY_NAME[name]


def stored() -> tuple[Setting, ...]:
    """The settings that a plan file holds."""
    return tuple(each for each in SETTINGS if each.is_stored)
