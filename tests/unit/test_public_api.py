"""What `import reconciler` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import reconciler
from reconciler import errors

ASKED_FOR = {
    "HazardKind",
    "JournalManager",
    "Options",
    "Reconciler",
    "SnapshotManager",
    "State",
    "__version__",
    "derive_schema_name",
    "reconcile_all",
    "reconcile_on_startup",
    "reconcile_on_startup_async",
    "source_from_object",
    "source_from_text",
}


def test_every_name_of_all_is_there() -> None:
    assert [name for name in reconciler.__all__ if getattr(reconciler, name, None) is None] == []


def test_all_holds_the_promised_names_and_every_error_once() -> None:
    assert ASKED_FOR | set(errors.__all__) <= set(reconciler.__all__)
    assert list(reconciler.__all__) == sorted(set(reconciler.__all__))


def test_a_name_is_the_object_of_its_module() -> None:
    from reconciler.client import Reconciler

    assert reconciler.Reconciler is Reconciler
    assert reconciler.HazardError is errors.HazardError


def test_the_version_is_the_one_that_the_ledger_records() -> None:
    from reconciler.version import program_version

    assert reconciler.__version__ == program_version()


def test_dir_lists_what_was_not_used_yet() -> None:
    assert set(reconciler.__all__) <= set(dir(reconciler))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = reconciler.nonsense  # type: ignore[attr-defined]


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, reconciler;"
        "print([name for name in ('psycopg', 'sqlalchemy', 'migra', 'schemainspect', 'click', 'rich')"
        " if name in sys.modules], [name for name in sys.modules if name.startswith('reconciler.')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] []"
