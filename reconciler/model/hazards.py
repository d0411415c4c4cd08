"""A hazard, and the kinds, each described once: what it means, whether it needs consent, what avoids it. Pure: no I/O.

Light to import, since the command line names the kinds in its help.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from reconciler.model.facts import FactId

__all__ = ["KINDS", "Hazard", "HazardKind", "IndexUse", "KindOfHazard", "TableSize", "hazard_kind"]


class HazardKind(StrEnum):
    """What a statement can cost. The values are what `--allow` takes, with `-` or `_`."""

    DATA_LOSS = "data_loss"
    TABLE_REWRITE = "table_rewrite"
    BLOCKING_LOCK = "blocking_lock"
    MAY_FAIL = "may_fail"
    BREAKS_CLIENTS = "breaks_clients"
    PRIVILEGES = "privileges"
    CORRECTNESS = "correctness"
    REPLICATION = "replication"
    FIRES_TRIGGERS = "fires_triggers"
    MISSING_INDEX = "missing_index"
    IRREVERSIBLE = "irreversible"
    EXTENSION_VERSION = "extension_version"
    EMPTY_SOURCE = "empty_source"

    @property
    def word(self) -> str:
        """As people write it: `data-loss`."""
        return self.value.replace("_", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSize:
    """A table's estimated rows (-1: never analysed) and its bytes on disk, indexes and TOAST included.

    `is_empty` is no estimate: its main fork, and those of its partitions, have no page.
    """

    rows: int
    bytes: int
    is_empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUse:
    """How often an index was scanned on this server, and since when that is counted (None: not known)."""

    scans: int
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """One thing that a statement can cost, and for which object; `size` is that of the table it is about."""

    kind: HazardKind
    message: str
    fact: FactId
    size: TableSize | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfHazard:
    """What a kind means. `is_refused`: unless it is allowed. `goes_online`: `--online` does without it where it can."""

    title: str
    text: str
    is_refused: bool = False
    goes_online: bool = False


KINDS: Mapping[HazardKind, KindOfHazard] = {
    HazardKind.DATA_LOSS: KindOfHazard(
        title="Rows or values are lost",
        text="Rows, values or a sequence's position are lost, or a conversion changes values. They cannot be restored.",
        is_refused=True,
    ),
    HazardKind.TABLE_REWRITE: KindOfHazard(
        title="The table is rewritten",
        text="Every row is rewritten, with all indexes, usually under a lock that blocks reads and writes.",
        goes_online=True,
    ),
    HazardKind.BLOCKING_LOCK: KindOfHazard(
        title="Clients wait as long as the statement runs",
        text="Every row is read, or an index is built, under a lock that blocks writes, or reads too.",
        goes_online=True,
    ),
    HazardKind.MAY_FAIL: KindOfHazard(
        title="Existing rows can make it fail",
        text="If they do, the statement fails and its transaction is rolled back.",
    ),
    HazardKind.BREAKS_CLIENTS: KindOfHazard(
        title="Running clients can fail",
        text="They use what is dropped, renamed or narrowed, or do not write what becomes required.",
    ),
    HazardKind.PRIVILEGES: KindOfHazard(
        title="Protection is lost",
        text="A role may see or do more than before: by row security, policies, privileges, or rights of code.",
    ),
    HazardKind.CORRECTNESS: KindOfHazard(
        title="Data can become wrong without an error",
        text="A constraint or trigger goes, an index keeps what an old function computed.",
    ),
    HazardKind.REPLICATION: KindOfHazard(
        title="Subscribers or standbys notice",
        text="Subscribers stop until it is made there too, or get rows again; queries on standbys are cancelled.",
    ),
    HazardKind.FIRES_TRIGGERS: KindOfHazard(
        title="Triggers fire for what the plan writes",
        text="What they do for a client's write they do for each of these rows: a date set, a row of an audit log.",
    ),
    HazardKind.MISSING_INDEX: KindOfHazard(
        title="Queries lack an index",
        text="One is dropped, or a foreign key has none: queries that would use it read the whole table.",
    ),
    HazardKind.IRREVERSIBLE: KindOfHazard(
        title="It cannot be undone simply",
        text="No single statement undoes it, though nothing is lost.",
    ),
    HazardKind.EXTENSION_VERSION: KindOfHazard(
        title="An extension changes its version",
        text="Its script changes types and functions in ways that a plan does not see, and often cannot be undone.",
    ),
    HazardKind.EMPTY_SOURCE: KindOfHazard(
        title="The source declares nothing",
        text="Reconciling with it drops everything.",
        is_refused=True,
    ),
}


def hazard_kind(word: str) -> HazardKind | None:
    """The kind of that name, written with `-` or `_`; None where there is none."""
    try:
        return HazardKind(word.strip().lower().replace("-", "_"))
    except ValueError:
        return None
