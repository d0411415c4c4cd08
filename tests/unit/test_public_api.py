"""What `import reconciler` gives, and what it costs."""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import inspect
import re
import subprocess
import sys
import typing

import pytest
from python_api import PAGE, page

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


def test_the_page_of_the_api_is_what_the_docstrings_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python tests/python_api.py`"


def test_every_type_that_a_public_name_gives_or_has_is_public() -> None:
    known = {*reconciler.__all__, *dir(builtins), *typing.__all__, *collections.abc.__all__}
    named: dict[str, str] = {}
    for name in reconciler.__all__:
        value = getattr(reconciler, name)
        functions = [value] if inspect.isfunction(value) else []
        if isinstance(value, type):
            functions += [each for key, each in vars(value).items() if inspect.isfunction(each) and key[0] != "_"]
            functions += [
                each.fget for key, each in vars(value).items() if isinstance(each, property) and key[0] != "_"
            ]
            if dataclasses.is_dataclass(value):
                named.update({word: name for each in dataclasses.fields(value) for word in _words(each.type)})
        for function in functions:
            named.update(dict.fromkeys(_words(function.__annotations__.get("return", "")), name))
    assert {word: owner for word, owner in named.items() if word not in known and word != "Path"} == {}


def _words(annotation: object) -> list[str]:
    return re.findall(r"\b[A-Z]\w+", str(annotation))
