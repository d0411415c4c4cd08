"""Hazards on the command line: what is refused, what allows it, and the log for code reviews."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest
from jsonschema import validate

from reconciler.cli.commands import run
from reconciler.model.hazards import HazardKind

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.one_server

BEFORE = "CREATE TABLE kept (id int PRIMARY KEY, note text);\nCREATE TABLE gone (id int);\n"
AFTER = "-- the tables\nCREATE TABLE kept (\n    id int PRIMARY KEY,\n    rank bigint NOT NULL\n);\n"
# What https://docs.oasis-open.org/sarif/sarif/v2.1.0 requires of the parts that are used.
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "required": ["id", "shortDescription"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "defaultConfiguration": {"properties": {"level": LEVEL}},
                                            },
                                        },
                                    }
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "required": ["ruleId", "message", "locations"],
                            "properties": {
                                "ruleId": {"type": "string"},
                                "level": LEVEL,
                                "message": TEXT,
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                                "locations": {
                                    "minItems": 1,
                                    "items": {
                                        "required": ["logicalLocations"],
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {"required": ["uri"]},
                                                    "region": {
                                                        "properties": {"startLine": {"type": "integer", "minimum": 1}}
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


class Output(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def reconcile(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Output]:
    """Runs a command on the test's database, in a folder with before.sql, which was applied, and after.sql."""
    monkeypatch.chdir(tmp_path)
    Path("before.sql").write_text(BEFORE)
    Path("after.sql").write_text(AFTER)

    def call(*arguments: str) -> Output:
        code = run([*arguments, "--dsn", database])
        return Output(code, *capsys.readouterr())

    assert call("apply", "before.sql").code == 0
    return call


def test_what_a_refusal_says_can_be_pasted(reconcile: Callable[..., Output]) -> None:
    refused = reconcile("apply", "after.sql")
    assert refused.code == 3
    flags = re.findall(r"--allow \S+?(?=[ ,;\n])", refused.err)
    assert flags == ["--allow data-loss:column:public.kept.note", "--allow data-loss:table:public.gone"]
    shown = reconcile("plan", "after.sql").out
    assert all(flag in shown for flag in flags)
    one = reconcile("apply", "after.sql", *shlex.split(flags[0]))
    assert one.code == 3
    assert "kept.note" not in one.err
    assert reconcile("apply", "after.sql", *shlex.split(" ".join(flags))).code == 0


def test_a_consent_that_fits_nothing_is_pointed_out_and_a_misspelt_kind_is_refused(
    reconcile: Callable[..., Output],
) -> None:
    found = reconcile("plan", "after.sql", "--allow", "data-loss:table:public.gonne")
    assert "warning: data-loss is allowed for table:public.gonne, but no statement" in found.err
    misspelt = reconcile("plan", "after.sql", "--allow", "data-lost:table:public.gone")
    assert misspelt.code == 1
    assert "hazard data-lost does not exist" in misspelt.err
    assert "data-loss, table-rewrite" in misspelt.err


def test_the_configuration_allows_and_refuses(reconcile: Callable[..., Output]) -> None:
    Path("reconciler.toml").write_text(
        'allow = ["data-loss:table:public.gone", "data-loss:table:public.long_ago"]\n'
        '[[hazards]]\nhazard = "data-loss"\nobject = "column:*.note"\nverdict = "allow"\n'
        '[[hazards]]\nhazard = "breaks-clients"\nschema = "public"\nverdict = "refuse"\n'
    )
    found = reconcile("apply", "after.sql")
    assert found.code == 3
    assert "warning" not in found.err, "what stands in a configuration may be for what is gone by now"
    assert "drops column public.kept.note: clients that name it fail" in found.err
    assert "all of its values" not in found.err
    assert reconcile("apply", "after.sql", "--allow", "breaks-clients").code == 0


def test_sarif_says_where_each_hazard_is_declared(reconcile: Callable[..., Output]) -> None:
    found = reconcile("plan", "after.sql", "--format", "sarif", "--allow", "data-loss:table:public.gone")
    assert found.code == 2
    log = json.loads(found.out)
    validate(log, SARIF)
    (ran,) = log["runs"]
    rules = [rule["id"] for rule in ran["tool"]["driver"]["rules"]]
    assert rules == [*(kind.value.replace("_", "-") for kind in HazardKind), "unmodelled"]
    assert {result["ruleId"] for result in ran["results"]} <= set(rules)

    def told(rule: str, fact: str) -> tuple[str, object]:
        (result,) = [
            each
            for each in ran["results"]
            if each["ruleId"] == rule and each["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == fact
        ]
        place = cast("dict[str, dict[str, object]]", result["locations"][0].get("physicalLocation"))
        return result["level"], place and (place["artifactLocation"]["uri"], place["region"]["startLine"])

    assert told("data-loss", "table:public.gone") == ("note", None)
    assert told("data-loss", "column:public.kept.note") == ("error", ("after.sql", 2))
    assert told("may-fail", "column:public.kept.rank") == ("warning", ("after.sql", 4))
    refused = reconcile("apply", "after.sql", "--format", "sarif")
    assert refused.code == 1


def test_a_refusal_in_json_has_what_allows_each_hazard(reconcile: Callable[..., Output]) -> None:
    refused = json.loads(reconcile("apply", "after.sql", "--format", "json").err)["refused"]
    assert [each["allow"] for each in refused] == ["data-loss:column:public.kept.note", "data-loss:table:public.gone"]
