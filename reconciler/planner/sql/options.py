"""Storage options and options of foreign objects, and the way from some to others. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from reconciler.planner.sql.quoting import Part, compose, joined, literal, name, raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from reconciler.model.facts import Definition, Json
    from reconciler.planner.core.context import Context
    from reconciler.redaction.masking import Secret

    Secrets: TypeAlias = Mapping[str, Secret]

__all__ = [
    "boolean",
    "changed_foreign_options",
    "changed_options",
    "foreign_options",
    "options_clause",
    "storage_options",
    "strings",
    "strings_at",
]


def boolean(value: Json) -> Part:
    return raw("true" if value else "false")


def strings(value: Json) -> list[str]:
    return cast("list[str]", value)


def options_clause(definition: Definition) -> Part:
    """` WITH (...)` for a table's options and those of its TOAST table, or nothing."""
    options = [storage_options(strings_at(definition, "options"))] if definition.get("options") else []
    if definition.get("toast_options"):
        options.append(storage_options(strings_at(definition, "toast_options"), "toast."))
    return raw(compose(" WITH ({})", joined(options))) if options else raw("")


def strings_at(definition: Definition, key: str) -> list[str]:
    return cast("list[str]", definition.get(key) or [])


def storage_options(options: Sequence[str], prefix: str = "") -> Part:
    """`fillfactor = '70', ...` from reloptions."""
    parts: list[Part] = []
    for option in options:
        key, _, value = option.partition("=")
        parts.append(raw(compose("{} = {}", raw(prefix + key), literal(value))))
    return joined(parts)


def foreign_options(options: Sequence[str], secrets: Secrets, context: Context) -> Part:
    """`key 'value', ...` from the options of a foreign-data object, with the values that are secret."""
    parts: list[Part] = []
    for option in options:
        key, _, value = option.partition("=")
        parts.append(raw(compose("{} {}", name(key), _value(key, value, secrets, context))))
    return joined(parts)


def changed_foreign_options(
    old: Sequence[str], new: Sequence[str], before_secrets: Secrets, secrets: Secrets, context: Context
) -> Part:
    """`DROP c, SET b 'y', ADD a 'x'` between two lists of foreign-data options; all, where their order changed."""
    before, after = (
        {option.partition("=")[0]: option.partition("=")[2] for option in options} for options in (old, new)
    )
    stay = [key for key in before if key in after]
    if [*stay, *(key for key in after if key not in before)] != list(after):
        stay = []
    parts: list[Part] = [raw(compose("DROP {}", name(key))) for key in before if key not in stay]
    for key, value in after.items():
        if key not in stay:
            parts.append(raw(compose("ADD {} {}", name(key), _value(key, value, secrets, context))))
        elif before[key] != value or (key in secrets and key in before_secrets and secrets[key] != before_secrets[key]):
            parts.append(raw(compose("SET {} {}", name(key), _value(key, value, secrets, context))))
    return joined(parts)


def _value(key: str, value: str, secrets: Secrets, context: Context) -> Part:
    return context.conceal(secrets[key]) if key in secrets else literal(value)


def changed_options(
    alter: Part, old: Sequence[str], new: Sequence[str], prefix: str = "", *, in_order: bool = False
) -> Iterable[str]:
    """SET and RESET statements between two lists of reloptions; `alter` is e.g. ALTER TABLE with the name.

    What is set goes to the end of the list (transformRelOptions in reloptions.c). Where the list's order is visible, as
    in pg_get_indexdef, `in_order` sets all of them again if that would otherwise end in another order.
    """
    gone = sorted({_key(option) for option in old} - {_key(option) for option in new})
    changed = [option for option in new if option not in old]
    if in_order:
        left = {*gone, *map(_key, changed)}
        if [*(option for option in old if _key(option) not in left), *changed] != [*new]:
            gone, changed = [], [*new]
            yield compose("{} RESET ({})", alter, joined([raw(prefix + _key(option)) for option in old]))
    if changed:
        yield compose("{} SET ({})", alter, storage_options(changed, prefix))
    if gone:
        yield compose("{} RESET ({})", alter, joined([raw(prefix + key) for key in gone]))


def _key(option: str) -> str:
    return option.partition("=")[0]
