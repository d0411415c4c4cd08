"""What a plan is made for: what is declared and recorded, what live holds, what is meant. Does I/O, only reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from reconciler.apply.lag import read_replication
from reconciler.catalog.others import read_others
from reconciler.catalog.snapshot_reader import managed_schemas, read_snapshot, read_with_dependents
from reconciler.catalog.statistics import read_unalterable_extensions
from reconciler.db.connections import transaction
from reconciler.diff.privileges import without_grantors
from reconciler.errors import HazardError, LedgerDamagedError
from reconciler.intent.manual_renames import find_manual_renames, reversed_renames
from reconciler.intent.rename_simulation import Renamed, find_intent, rename_first
from reconciler.ledger.history import load_migration
from reconciler.ledger.kept import load_kept
from reconciler.ledger.marks import load_addresses
from reconciler.ledger.migrations import Recorded, load_head, load_recorded, recorded_by_others
from reconciler.ledger.plugins import load_others
from reconciler.ledger.trust import damage_note
from reconciler.model.facts import DATABASE_WIDE_KINDS, FactId
from reconciler.model.hazards import HazardKind
from reconciler.model.ignore import find_ignored
from reconciler.model.intent import Intent, Rename
from reconciler.options import Proof, scope_of
from reconciler.planner.impact.sent_columns import of_renames
from reconciler.scratch.build import build_anywhere
from reconciler.scratch.privileges import grantor_notes
from reconciler.source.declared import declared_by
from reconciler.source.screening import leading_keywords
from reconciler.source.source import Source
from reconciler.workflows.borders import require_own_objects, shared_with
from reconciler.workflows.rehearse import with_other_schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from reconciler.db.connections import Connection
    from reconciler.db.session import Session
    from reconciler.diff.goal import Desired, Scope
    from reconciler.diff.kept import KeptDeclaration
    from reconciler.ledger.migrations import Head
    from reconciler.ledger.plugins import Others
    from reconciler.model.ignore import IgnoreRule
    from reconciler.model.snapshot import Snapshot
    from reconciler.options import Options
    from reconciler.scratch.place import Scratch
    from reconciler.source.source import AnySource


__all__ = ["Situation", "read_situation", "with_rules"]

_OF_NO_LASTING_EFFECT = frozenset({("SET",), ("RESET",), ("SELECT",), ("SHOW",), ("DO",), ("INSERT",)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known before a plan is made.

    `renamed` is live and the record after the renames that are made first, `manual` are those that somebody made
    outside of any run. `damaged` are notes of what of the ledger cannot be read.
    """

    plugin: str
    source: AnySource
    options: Options
    head: Head
    recorded: Recorded | None
    others: Others
    scope: Scope
    scratch: Scratch
    desired: Desired
    to_keep: KeptDeclaration | None
    schemas: tuple[str, ...]
    live: Snapshot
    intent: Intent
    manual: Sequence[Rename]
    renamed: Renamed
    damaged: tuple[str, ...] = ()


def read_situation(
    session: Session, plugin: str, source: AnySource, options: Options, *, to_look: bool = False
) -> Situation:
    """Builds what is declared and reads live, in the transaction that is open; it is to be rolled back.

    With `to_look` a record that is damaged is none, with a note. Raises SourceError, ScratchError, PlanError, and
    HazardError for a source that declares nothing.
    """
    connection = session.connection
    head = load_head(connection, plugin)
    damaged: list[str] = []
    found = _recorded(connection, plugin, damaged if to_look else None)
    recorded = _without_shared(connection, plugin, source, found)
    lost: list[LedgerDamagedError] = []
    others = load_others(connection, plugin, lost if to_look else None)
    damaged += [note for each in lost if (note := damage_note(each)) not in damaged]
    scope = scope_of(plugin, options)
    scope = replace(scope, shared=shared_with(plugin, scope, others, share=options.share))
    if isinstance(source, Source) and source.is_empty:
        _refuse_empty(source, options)
    before = recorded.snapshot if recorded else None
    scratch, desired, to_keep = build_anywhere(
        connection,
        options.scratch,
        source,
        scope,
        before,
        dsn=session.dsn,
        with_rows=options.proof is Proof.ROWS,
        wait_ms=options.longest_wait_ms,
        load_kept=partial(load_kept, connection, plugin),
    )
    if isinstance(source, Source) and _has_no_effect(source, desired):
        _refuse_empty(source, options)
    schemas = _live_schemas(connection, scope, desired, recorded)
    live = _read_live(connection, scope, schemas, desired, recorded)
    require_own_objects(desired, before, others)
    desired = _with_possible_grantors(connection, source, desired)
    intent = _intent(connection, plugin, source, desired, live, recorded, scope)
    intent = with_rules(intent, options.ignore, (desired.snapshot, live), session.clock().date())
    manual = find_manual_renames(load_addresses(connection, plugin), live)
    intent = replace(intent, renames=(*intent.renames, *reversed_renames(manual, desired.snapshot, intent)))
    intent = replace(intent, renames=(*_moved_extensions(connection, desired, live), *intent.renames))
    if intent.renames and live.outside:
        scratch = with_other_schemas(session, scratch, replace(scope, schemas=schemas), options)
    renamed = rename_first(intent, desired.snapshot, live, before, scratch, scope, current_user=session.user)
    if renamed.renames:
        renames = of_renames(renamed.statements, renamed.renames, live, read_replication(connection))
        renamed = replace(renamed, statements=renames)
    return Situation(
        plugin=plugin,
        source=source,
        options=options,
        head=head,
        recorded=recorded,
        others=others,
        scope=scope,
        scratch=scratch,
        desired=desired,
        to_keep=to_keep,
        schemas=schemas,
        live=live,
        intent=intent,
        manual=manual,
        renamed=renamed,
        damaged=tuple(damaged),
    )


def _read_live(
    connection: Connection, scope: Scope, schemas: tuple[str, ...], desired: Desired, recorded: Recorded | None
) -> Snapshot:
    known = recorded.snapshot.outside if recorded else frozenset[FactId]()
    beside = replace(desired.snapshot, schemas=schemas).outside | known
    # No lock on what is read stays while plans are rehearsed.
    with transaction(connection, force_rollback=True):
        if scope.all_schemas:
            return read_snapshot(connection, schemas, dependencies=True)
        return read_with_dependents(connection, schemas, beside)


def _recorded(connection: Connection, plugin: str, damaged: list[str] | None) -> Recorded | None:
    try:
        return load_recorded(connection, plugin)
    except LedgerDamagedError as error:
        if damaged is None:
            raise
        damaged.append(damage_note(error))
        return None


def _without_shared(
    connection: Connection, plugin: str, source: AnySource, recorded: Recorded | None
) -> Recorded | None:
    """The record without what is no longer declared here, is of the database as a whole, and another plugin's too."""
    if recorded is None:
        return None
    declared = declared_by(source)
    wide = {fact for fact in recorded.snapshot.facts if fact.kind in DATABASE_WIDE_KINDS}
    shared = recorded_by_others(connection, plugin, {fact for fact in wide if not declared.may_name(fact)})
    if not shared:
        return recorded
    facts = {fact for fact in recorded.snapshot.facts if recorded.snapshot.object_of(fact) in shared}
    return replace(recorded, snapshot=recorded.snapshot.without(facts))


def _live_schemas(connection: Connection, scope: Scope, desired: Desired, recorded: Recorded | None) -> tuple[str, ...]:
    """The schemas to read in live: the managed ones, those that the source makes, those that were recorded."""
    wanted: Iterable[str] = desired.snapshot.schemas
    if scope.all_schemas:
        wanted = (*wanted, *managed_schemas(connection))
    elif recorded is not None:
        wanted = (*scope.schemas, *wanted, *recorded.snapshot.schemas)
    return tuple(sorted(set(wanted)))


def _refuse_empty(source: Source, options: Options) -> None:
    if HazardKind.EMPTY_SOURCE not in options.allow:
        raise HazardError(
            f"the source declares nothing: {source.description}",
            hint="to drop everything intentionally: --allow-empty",
            left="nothing was changed",
        )


def _has_no_effect(source: Source, desired: Desired) -> bool:
    """Whether all that the statements make is gone at their end; what is only outside of this scope does not count."""
    if any(desired.baseline.get(fact) != text for fact, text in desired.snapshot.facts.items()):
        return False
    leading = {leading_keywords(statement.sql)[:1] for statement in source.statements}
    return ("DROP",) in leading or leading <= _OF_NO_LASTING_EFFECT


def _with_possible_grantors(connection: Connection, source: AnySource, desired: Desired) -> Desired:
    """What roles granted that this one cannot act as, as if the owner had, and a note for each of those."""
    state = desired.snapshot
    if not without_grantors(state.facts):
        return desired
    beyond = read_others(connection).unsettable
    notes = grantor_notes(source, beyond) if isinstance(source, Source) else ()
    facts = {**state.facts, **without_grantors(state.facts, beyond)}
    return replace(desired, snapshot=state.with_facts(facts), notes=(*desired.notes, *notes))


def _intent(
    connection: Connection,
    plugin: str,
    source: AnySource,
    desired: Desired,
    live: Snapshot,
    recorded: Recorded | None,
    scope: Scope,
) -> Intent:
    hints = source.hints if isinstance(source, Source) else ()
    if not hints:
        return Intent()
    known = recorded.snapshot if recorded else None

    def recorded_text() -> str | None:
        return load_migration(connection, plugin, recorded.idx).source_text if recorded else None

    return find_intent(hints, desired.snapshot, live, known, scope, recorded_text=recorded_text)


def with_rules(intent: Intent, rules: Sequence[IgnoreRule], states: Sequence[Snapshot], today: date) -> Intent:
    """The intent with what the rules of the configuration leave alone of these states."""
    if not rules:
        return intent
    found = find_ignored(rules, states, today)
    return replace(
        intent,
        ignored=intent.ignored | found.facts.keys(),
        attributes=intent.attributes | found.attributes.keys(),
        by_rules=found.lines,
        ruled=frozenset(found.facts),
        warnings=(*intent.warnings, *found.warnings),
    )


def _moved_extensions(connection: Connection, desired: Desired, live: Snapshot) -> Iterable[Rename]:
    """The extensions that the source declares in another schema, where Postgres can move them."""
    fixed = read_unalterable_extensions(connection, live, desired.snapshot)
    for fact in sorted(desired.snapshot.facts):
        if fact.kind != "extension" or fact not in live.facts or fact in fixed or not desired.mentions(fact):
            continue
        schema = str(desired.snapshot.definition(fact)["schema"])
        if schema != live.definition(fact)["schema"]:
            yield Rename(old=fact, new=fact, schema=schema)
