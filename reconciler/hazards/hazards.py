"""What a statement can cost: one function for each hazard, with the table's size if it is known. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.model.hazards import Hazard, HazardKind
from reconciler.model.intent import dotted
from reconciler.model.replication import describe_bytes

if TYPE_CHECKING:
    from reconciler.model.facts import FactId
    from reconciler.model.hazards import IndexUse, TableSize

__all__ = [
    "blocks_reads_and_writes",
    "blocks_writes",
    "breaks_clients",
    "breaks_clients_by_move",
    "breaks_clients_by_rename",
    "changes_version",
    "describe_size",
    "describe_use",
    "fires_trigger",
    "goes_wrong",
    "is_irreversible",
    "lacks_index",
    "loses_column",
    "loses_enum_value",
    "loses_precision",
    "loses_sequence",
    "loses_table",
    "may_fail",
    "opens_access",
    "reads_in_time_zone",
    "rewrites",
    "stops_subscribers",
    "writes_rows",
]


def describe_size(size: TableSize | None) -> str:
    """`about 1,200 rows, 3 MB`, or `empty`; no text where nothing is known."""
    if size is None:
        return ""
    if size.is_empty:
        return "empty"
    rows = "never analysed" if size.rows < 0 else f"about {size.rows:,} rows"
    return f"{rows}, {describe_bytes(size.bytes)}"


def loses_table(table: FactId, size: TableSize | None) -> Hazard:
    """All rows of a dropped table."""
    return Hazard(kind=HazardKind.DATA_LOSS, message=f"drops {table} with all of its rows", fact=table, size=size)


def loses_column(column: FactId, size: TableSize | None) -> Hazard:
    """All values of a dropped column."""
    return Hazard(kind=HazardKind.DATA_LOSS, message=f"drops {column} with all of its values", fact=column, size=size)


def loses_sequence(sequence: FactId) -> Hazard:
    """The position of a dropped sequence."""
    return Hazard(kind=HazardKind.DATA_LOSS, message=f"drops {sequence} and loses its position", fact=sequence)


def loses_enum_value(enum: FactId, labels: list[str]) -> Hazard:
    """Labels that vanish: the statement fails where a row still holds one."""
    return Hazard(
        kind=HazardKind.MAY_FAIL,
        message=f"removes {', '.join(repr(label) for label in labels)} from {enum}: fails if a row still has it",
        fact=enum,
    )


def loses_precision(column: FactId, old: str, new: str, size: TableSize | None) -> Hazard:
    """A type change that can change or cut values."""
    return Hazard(
        kind=HazardKind.DATA_LOSS,
        message=f"turns {column} from {old} into {new}: values can change or be cut",
        fact=column,
        size=size,
    )


def reads_in_time_zone(column: FactId, zone: str, size: TableSize | None) -> Hazard:
    """Values without a time zone get the one of the session, which nobody has said is theirs."""
    return Hazard(
        kind=HazardKind.DATA_LOSS,
        message=f"takes the values of {column} for times in the time zone {zone}, that of this session: say whose they"
        f" are with a hint, `-- reconciler: using {dotted(column.name[-1:])} AT TIME ZONE '...'`",
        fact=column,
        size=size,
    )


def rewrites(table: FactId, why: str, size: TableSize | None) -> Hazard:
    """The whole table is rewritten, with its indexes, under an ACCESS EXCLUSIVE lock."""
    return Hazard(kind=HazardKind.TABLE_REWRITE, message=f"rewrites {table}: {why}", fact=table, size=size)


def writes_rows(table: FactId, why: str, size: TableSize | None) -> Hazard:
    """Every row is written again and stays locked until the commit; others can read, and write other rows."""
    return Hazard(kind=HazardKind.TABLE_REWRITE, message=f"updates rows of {table}: {why}", fact=table, size=size)


def blocks_writes(table: FactId, why: str, size: TableSize | None) -> Hazard:
    """Writes wait while the statement reads the table."""
    return Hazard(kind=HazardKind.BLOCKING_LOCK, message=f"blocks writes to {table} while {why}", fact=table, size=size)


def blocks_reads_and_writes(table: FactId, why: str, size: TableSize | None) -> Hazard:
    """Reads and writes wait while the statement reads the table."""
    return Hazard(
        kind=HazardKind.BLOCKING_LOCK,
        message=f"blocks reads of and writes to {table} while {why}",
        fact=table,
        size=size,
    )


def may_fail(fact: FactId, why: str, size: TableSize | None) -> Hazard:
    """The statement fails, and everything is rolled back, if the rows do not allow it."""
    return Hazard(kind=HazardKind.MAY_FAIL, message=f"{fact}: {why}", fact=fact, size=size)


def breaks_clients(fact: FactId, message: str) -> Hazard:
    """Clients that use the fact as it was fail, or see something that they do not expect."""
    return Hazard(kind=HazardKind.BREAKS_CLIENTS, message=message, fact=fact)


def breaks_clients_by_rename(old: FactId, new: FactId) -> Hazard:
    """Clients that use the old name fail from now on."""
    return Hazard(
        kind=HazardKind.BREAKS_CLIENTS,
        message=f"renames {old} to {'.'.join(new.name)}: clients that use the old name fail",
        fact=old,
    )


def breaks_clients_by_move(extension: FactId, schema: str) -> Hazard:
    """Clients that name an extension's types and functions with their old schema fail from now on."""
    return Hazard(
        kind=HazardKind.BREAKS_CLIENTS,
        message=f"moves {extension} to schema {schema}: clients that name its types or functions with the old schema,"
        " or that have not the new one in their search_path, fail",
        fact=extension,
    )


def opens_access(fact: FactId, why: str) -> Hazard:
    """A role may see or do more than before."""
    return Hazard(kind=HazardKind.PRIVILEGES, message=f"{fact}: {why}", fact=fact)


def goes_wrong(fact: FactId, why: str) -> Hazard:
    """What is stored or sent can be wrong from now on, without an error."""
    return Hazard(kind=HazardKind.CORRECTNESS, message=f"{fact}: {why}", fact=fact)


def stops_subscribers(fact: FactId, message: str, size: TableSize | None = None) -> Hazard:
    """Subscribers stop or get other rows, or a standby's queries are cancelled; the message says what to do."""
    return Hazard(kind=HazardKind.REPLICATION, message=message, fact=fact, size=size)


def fires_trigger(trigger: FactId, table: FactId, why: str, size: TableSize | None) -> Hazard:
    """A trigger of the user's fires for each row, or each statement, that the plan writes."""
    rows = f"about {size.rows:,} rows" if size is not None and size.rows >= 0 else "each row"
    message = f"{trigger} fires for {rows} of {table} that the plan writes, {why}"
    return Hazard(kind=HazardKind.FIRES_TRIGGERS, message=message, fact=table, size=size)


def lacks_index(fact: FactId, why: str, size: TableSize | None, use: IndexUse | None = None) -> Hazard:
    """Queries read the whole table where an index would find the rows; `use` is how often the dropped one did."""
    used = f"; {describe_use(use)}" if use is not None else ""
    return Hazard(kind=HazardKind.MISSING_INDEX, message=f"{fact}: {why}{used}", fact=fact, size=size)


def describe_use(use: IndexUse) -> str:
    """`scanned 1,200 times since 2026-05-01 on this server`."""
    times = "once" if use.scans == 1 else f"{use.scans:,} times"
    since = f"since {use.since:%Y-%m-%d}" if use.since is not None else "since its statistics began"
    return f"{f'scanned {times}' if use.scans else 'never scanned'} {since} on this server"


def is_irreversible(fact: FactId, why: str) -> Hazard:
    """No single statement undoes it."""
    return Hazard(kind=HazardKind.IRREVERSIBLE, message=f"{fact}: {why}", fact=fact)


def changes_version(extension: FactId, old: str, new: str) -> Hazard:
    """An extension's own script runs."""
    return Hazard(
        kind=HazardKind.EXTENSION_VERSION,
        message=f"updates {extension} from {old} to {new}: its script changes what the extension contains, and may have"
        " none that undoes it",
        fact=extension,
    )
