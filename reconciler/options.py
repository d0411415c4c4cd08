"""How a use case works, and what it manages. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from reconciler.errors import ConfigError
from reconciler.hazards.policy import consents
from reconciler.model.plugins import DEFAULT_PLUGIN, derive_schema_name, require_ledger_schema, require_plugin_name
from reconciler.model.replication import USUAL_LAG, MaxLag
from reconciler.model.versions import version_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reconciler.diff.goal import Scope
    from reconciler.hazards.policy import HazardRule
    from reconciler.model.ignore import IgnoreRule
    from reconciler.model.plan import Online

__all__ = ["CHOICES", "Drops", "OnDrift", "Options", "Partitions", "Proof", "WhenBehind", "scope_of", "with_choices"]


class Partitions(StrEnum):
    """Whose a partition, or another child of a declared table, is that the source does not name.

    Of nobody here, and so left alone; or the source's, which must declare it.
    """

    FOREIGN = "foreign"
    DECLARED = "declared"


class Proof(StrEnum):
    """How a plan is rehearsed before it runs: on a copy of live's schema, on one with sampled rows in it, or not."""

    SCHEMA = "schema"
    ROWS = "rows"
    OFF = "off"


class WhenBehind(StrEnum):
    """What is done with a declaration that is older than what the database is at.

    The database is left alone; or the start waits until it is as declared again; or it fails; or the older declaration
    is meant, and applied.
    """

    SKIP = "skip"
    WAIT = "wait"
    FAIL = "fail"
    APPLY = "apply"


class OnDrift(StrEnum):
    """What a migration does about objects that somebody changed by hand.

    They are brought back to the declaration, without a word or with one for each; or nothing is done and it fails; or
    they stay as they are, and only what the declaration changed is applied.
    """

    HEAL = "heal"
    WARN = "warn"
    REFUSE = "refuse"
    KEEP = "keep"


class Drops(StrEnum):
    """When what is no longer declared is dropped: at once, or by the next migration."""

    NOW = "now"
    LATER = "later"


# The fields of `Options` that are one of a few words, which may be given as text.
CHOICES: dict[str, type[StrEnum]] = {
    "proof": Proof,
    "when_behind": WhenBehind,
    "drops": Drops,
    "on_drift": OnDrift,
    "partitions": Partitions,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a use case works; the command line has its defaults from here.

    `scratch` is auto, schema, database or a server's URL. Nobody waits behind a lock that we want for longer than
    `lock_timeout_ms`; what was not granted then is tried again `lock_retries` times. `online` changes tables in steps
    that do not block reads or writes: None those of more than `online_above_bytes`, True all, False none. With
    `keep_column_order` columns keep their places in that: the columns behind one are exchanged too. With `preflight`
    the rows that would make a statement fail are looked for before the first lock, no query longer than
    `preflight_timeout_ms`.
    Functions that a plan's statements call find names without a schema in `search_path`, and else in pg_catalog alone.
    The ledger keeps keys and values of rows, which errors quote, only with `record_values`.
    While rows are backfilled, no standby and no active slot may be further behind than `max_lag`, else it waits.
    `partitions` says whether a child of a declared table may be there that the source does not name, `share` that the
    plugin may manage a schema that another one managed first. What the rules `ignore` fit is left alone. Where several
    plugins run, each does so after those that `depends_on` names for it.
    The ledger is in schema `ledger_schema`: None where it is found, `migrations` for a new one. It holds for all that a
    `Reconciler` does, whose own options say it.

    `version` is the application's: a declaration of a lower one than was recorded is behind. `when_behind` says what
    `migrate` does with such a declaration, or an earlier migration's; `fail` makes every use case refuse it. With
    `drops` set to `later`, what the declaration no longer has is dropped by the migration after the next. `on_drift`
    says what `migrate` does about objects that somebody changed by hand; they are brought back if it says nothing.

    `allow` has kinds of hazards, and consents for one object (`data-loss:table:public.old_orders`); the first of
    `hazard_rules` that fits decides about the rest. Raises ConfigError for an unknown kind.
    """

    schemas: tuple[str, ...] | None = None
    all_schemas: bool = False
    exact: bool = False
    scratch: str = "auto"
    allow: frozenset[str] = frozenset()
    hazard_rules: tuple[HazardRule, ...] = ()
    ignore_unmodelled: bool = False
    proof: Proof = Proof.SCHEMA
    lock_timeout_ms: int = 1_000
    lock_retries: int = 30
    online: bool | None = None
    online_above_bytes: int = 64 * 1024 * 1024
    keep_column_order: bool = False
    preflight: bool = True
    preflight_timeout_ms: int = 5_000
    search_path: tuple[str, ...] = ()
    max_lag: MaxLag = USUAL_LAG
    record_values: bool = False
    when_behind: WhenBehind = WhenBehind.SKIP
    version: str | None = None
    drops: Drops = Drops.NOW
    on_drift: OnDrift | None = None
    partitions: Partitions = Partitions.FOREIGN
    share: bool = False
    ignore: tuple[IgnoreRule, ...] = ()
    depends_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    ledger_schema: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None:
            object.__setattr__(self, "version", version_text(self.version))
        for name, kind in CHOICES.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _member(kind, name, value))
        object.__setattr__(self, "allow", consents(self.allow))
        if self.ledger_schema is not None:
            require_ledger_schema(self.ledger_schema)

    @property
    def longest_wait_ms(self) -> int:
        """How long to wait for another run of the plugin: as long as all tries for a lock take; 0 is no limit."""
        return self.lock_timeout_ms * (self.lock_retries + 1)

    @property
    def takes_older(self) -> bool:
        """Whether a use case that somebody asks for by name takes an older declaration, too."""
        return self.when_behind is not WhenBehind.FAIL

    @property
    def steps(self) -> Online | None:
        """Which tables are changed in steps."""
        if self.online is False:
            return None
        from reconciler.model.plan import Online

        return Online(
            above_bytes=-1 if self.online else self.online_above_bytes, keep_column_order=self.keep_column_order
        )


def with_choices(
    options: Options,
    *,
    when_behind: WhenBehind | str | None = None,
    version: int | str | None = None,
    drops: Drops | str | None = None,
    on_drift: OnDrift | str | None = None,
) -> Options:
    """The options with those of these that are given. Raises ConfigError for a value that does not exist."""
    given: dict[str, Any] = {"when_behind": when_behind, "version": version, "drops": drops, "on_drift": on_drift}
    return replace(options, **{name: value for name, value in given.items() if value is not None})


def _member(kind: type[StrEnum], option: str, value: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError as exc:
        raise ConfigError(f"{option} {value} does not exist", hint=f"it is one of {', '.join(kind)}") from exc


def scope_of(plugin: str, options: Options) -> Scope:
    """The schemas that the plugin manages; the default plugin's is `public`, another's is derived from its name.

    Raises ConfigError for a name that no plugin, or no schema, can have.
    """
    from reconciler.diff.goal import Scope

    require_plugin_name(plugin)
    schemas = options.schemas or (("public",) if plugin == DEFAULT_PLUGIN else (derive_schema_name(plugin),))
    for schema in schemas:
        if schema.startswith("pg_") or not schema:
            raise ConfigError(
                f"schema {schema!r} cannot be managed: names that begin with pg_ are the server's own",
                hint="name another schema with --schema",
            )
    return Scope(
        schemas=schemas,
        all_schemas=options.all_schemas,
        exact=options.exact,
        declared_partitions=options.partitions is Partitions.DECLARED,
    )
