"""The commands `audit install`, `status`, `verify`, `prune` and `uninstall`. Does I/O."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from reconciler.cli.console import DONE, FAILED, is_interactive, print_data, print_note, print_text
from reconciler.cli.options import connecting, open_reconciler, read_options
from reconciler.errors import ConfigError

__all__ = ["audit"]

_FORMATS = ("text", "json")


@click.group()
def audit() -> None:
    """Log who changes the schema, by event triggers; off unless it is installed."""


@audit.command()
@click.option("--notify", is_flag=True, help="Notify `watch` at each commit; breaks PREPARE TRANSACTION with DDL.")
@click.option("--reader", "readers", multiple=True, metavar="ROLE", help="A role that may read the log; repeatable.")
@connecting
def install(*, notify: bool, readers: tuple[str, ...], **values: Any) -> int:
    """Make the log in this database; where it is there, set --notify and --reader. Needs a superuser, as a rule."""
    from reconciler.audit.install import install

    with open_reconciler(read_options(values, formats=("text",))) as reconciler:
        install(reconciler.connection, notify=notify, readers=readers)
    print_text(f"The log of DDL is on{', and notifies at each commit' if notify else ''}.\n")
    return DONE


@audit.command()
@connecting
def status(**values: Any) -> int:
    """Show whether there is a log, and whether it is as it was made; exit 1 where it cannot be believed."""
    from reconciler.audit.install import audit_state
    from reconciler.audit.log import last_seal
    from reconciler.report import audit, json

    chosen = read_options(values, formats=_FORMATS)
    with open_reconciler(chosen) as reconciler:
        state = audit_state(reconciler.connection)
        seal = last_seal(reconciler.connection) if state.readable else None
    if chosen.output == "json":
        print_data(json.to_text(json.audit_status_document(state, seal)))
    else:
        print_text(audit.state_text(state, seal))
    return FAILED if state.problems else DONE


@audit.command()
@click.option("--known", metavar="HASH", help="A seal that was sent elsewhere and must still be there.")
@connecting
def verify(known: str | None, **values: Any) -> int:
    """Compare the log with its seals, and seal what is new where this role may; exit 1 where something was changed."""
    from reconciler.audit.log import broken_seals, last_seal, require_log, seal, seal_with
    from reconciler.errors import AuditError
    from reconciler.report import audit, json

    chosen = read_options(values, formats=_FORMATS)
    with open_reconciler(chosen) as reconciler:
        connection = reconciler.connection
        require_log(connection)
        broken = broken_seals(connection)
        is_missing = known is not None and seal_with(connection, known) is None
        if not broken and not is_missing:
            try:
                seal(connection)
            except AuditError as error:
                print_note(f"nothing was sealed: {error.message}")
        last = last_seal(connection)
    missing = known if is_missing else None
    if chosen.output == "json":
        print_data(json.to_text(json.audit_verification_document(broken, missing, last)))
    else:
        print_text(audit.verification_text(broken, missing, last))
    return FAILED if broken or is_missing else DONE


@audit.command()
@click.option("--keep", type=click.IntRange(min=0), required=True, metavar="DAYS", help="How old an entry may become.")
@connecting
def prune(keep: int, **values: Any) -> int:
    """Delete entries that were sealed and are older, in batches. The seals stay."""
    from reconciler.audit.log import prune, require_log

    with open_reconciler(read_options(values, formats=("text",))) as reconciler:
        require_log(reconciler.connection)
        deleted = prune(reconciler.connection, timedelta(days=keep))
    print_text(f"Deleted {deleted:,} entries.\n")
    return DONE


@audit.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@connecting
def uninstall(*, yes: bool, **values: Any) -> int:
    """Drop the log and all that it holds."""
    from reconciler.audit.install import uninstall

    chosen = read_options(values, formats=("text",))
    if not yes:
        if not is_interactive():
            raise ConfigError("the log is not dropped without consent", hint="pass --yes")
        if not click.confirm("Drop the log of DDL with all its entries?", default=False, err=True):
            return FAILED
    with open_reconciler(chosen) as reconciler:
        dropped = uninstall(reconciler.connection)
    print_text("The log of DDL was dropped.\n" if dropped else "There is no log of DDL.\n")
    return DONE
