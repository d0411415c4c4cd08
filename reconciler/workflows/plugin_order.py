"""In which order plugins run: as they are named, after those that they depend on, again after those that they need.

Pure: what runs a plugin is handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from reconciler.errors import ConfigError, PlanError, ReconcilerError, SourceError, UnexpectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["ordered", "run_in_order"]

Result = TypeVar("Result")


def ordered(plugins: Iterable[str], depends_on: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The plugins in their order, but each after those that it depends on. Raises ConfigError for a cycle."""
    names = tuple(plugins)
    found: list[str] = []

    def place(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ConfigError(
                f"plugins depend on each other: {' -> '.join([*path[path.index(name) :], name])}",
                hint="remove one of them from depends_on",
            )
        if name in found:
            return
        for needed in depends_on.get(name, ()):
            if needed in names:
                place(needed, (*path, name))
        found.append(name)

    for name in names:
        place(name, ())
    return tuple(found)


def run_in_order(
    plugins: Iterable[str], depends_on: Mapping[str, tuple[str, ...]], run: Callable[[str], Result]
) -> tuple[dict[str, Result], dict[str, ReconcilerError]]:
    """What `run` gives for each plugin, and the errors of those that failed.

    Who fails on its source or its plan may need what another one is yet to create, or to give up: it is tried again as
    long as others succeed in between. A failing plugin does not stop the others.
    """
    done: dict[str, Result] = {}
    failures: dict[str, ReconcilerError] = {}
    waiting = ordered(plugins, depends_on)
    while waiting:
        before = len(done)
        again: list[str] = []
        for plugin in waiting:
            try:
                done[plugin] = run(plugin)
                failures.pop(plugin, None)
            except ReconcilerError as error:
                failures[plugin] = error
                if isinstance(error, SourceError | PlanError):
                    again.append(plugin)
            except Exception as exc:  # noqa: BLE001 - one plugin's failure never stops the others
                failures[plugin] = UnexpectedError(exc, f"reconcile plugin {plugin}")
        waiting = tuple(again) if len(done) > before and len(done) + len(failures) > 1 else ()
    return done, failures
