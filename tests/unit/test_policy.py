"""Which hazards are refused, what allows them, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.config_file import parse_configuration
from reconciler.errors import ConfigError
from reconciler.hazards.policy import (
    HazardRule,
    Verdict,
    consent_for,
    consents,
    hazard_error,
    refused_of,
    unused_consents,
    verdict_on,
)
from reconciler.model.facts import FactId
from reconciler.model.hazards import Hazard, HazardKind, TableSize
from reconciler.options import Options

FILE = Path("reconciler.toml")


def hazard(kind: HazardKind, fact: FactId, size: int | None = None) -> Hazard:
    known = TableSize(rows=1, bytes=size) if size is not None else None
    return Hazard(kind=kind, message=f"{kind} of {fact}", fact=fact, size=known)


OLD = hazard(HazardKind.DATA_LOSS, FactId("table", ("public", "old_orders")))
COLUMN = hazard(HazardKind.DATA_LOSS, FactId("column", ("staging", "t", "a")))
REWRITE = hazard(HazardKind.TABLE_REWRITE, FactId("table", ("public", "big")), 2 * 1024**3)
OWNER = hazard(HazardKind.PRIVILEGES, FactId("owner", ("table", "public", "t")))
ALL = (OLD, COLUMN, REWRITE, OWNER)


def test_data_loss_is_refused_and_nothing_else() -> None:
    assert refused_of(ALL, ()) == (OLD, COLUMN)


@pytest.mark.parametrize("text", ["data-loss", "data_loss", "DATA-LOSS", "all"])
def test_a_kind_is_allowed_as_a_whole(text: str) -> None:
    assert refused_of(ALL, Options(allow=frozenset([text])).allow) == ()


@pytest.mark.parametrize(
    "text", ["data-loss:table:public.old_orders", "data_loss:table:public.*", "data-loss:*:public.old_orders"]
)
def test_one_object_is_allowed_and_no_other(text: str) -> None:
    assert refused_of(ALL, consents([text])) == (COLUMN,)


def test_what_is_said_to_allow_a_hazard_allows_it_alone() -> None:
    for each in (OLD, COLUMN):
        assert each not in refused_of(ALL, consents([consent_for(each)]))
        assert len(refused_of(ALL, consents([consent_for(each)]))) == 1


def test_a_name_with_signs_of_patterns_is_taken_as_it_is() -> None:
    odd = hazard(HazardKind.DATA_LOSS, FactId("table", ("public", "a[1] b")))
    assert refused_of([odd], consents([consent_for(odd)])) == ()
    assert "--allow 'data-loss:table:public.a[1] b'" in str(hazard_error([odd], online=True).hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data-los", "hazard data-los does not exist"),
        ("data-loss:orders", "does not name an object"),
        ("data-loss:", "name an object"),
    ],
)
def test_a_consent_that_is_none_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Options(allow=frozenset([text]))


def test_the_kinds_are_listed_where_one_is_misspelt() -> None:
    with pytest.raises(ConfigError) as caught:
        consents("dataloss")
    assert "data-loss, table-rewrite" in str(caught.value.hint)


def test_the_first_rule_that_fits_decides_and_a_consent_goes_before_it() -> None:
    refuse = HazardRule(verdict=Verdict.REFUSE, hazards=(HazardKind.TABLE_REWRITE,), above_bytes=1024**3)
    allow = HazardRule(verdict=Verdict.ALLOW, schema="staging*")
    assert refused_of(ALL, (), [allow, refuse]) == (OLD, REWRITE)
    assert refused_of(ALL, consents("table-rewrite"), [allow, refuse]) == (OLD,)
    whatever = HazardRule(verdict=Verdict.ALLOW)
    assert refused_of(ALL, (), [whatever, refuse]) == ()
    assert refused_of(ALL, (), [refuse, whatever]) == (REWRITE,)


def test_a_rule_with_a_size_is_about_larger_tables_alone() -> None:
    rule = HazardRule(verdict=Verdict.REFUSE, hazards=(HazardKind.TABLE_REWRITE,), above_bytes=2 * 1024**3)
    unknown = hazard(HazardKind.TABLE_REWRITE, FactId("table", ("public", "t")))
    assert refused_of([REWRITE, unknown], (), [rule]) == ()


def test_a_rule_knows_the_schema_of_what_hangs_on_an_object() -> None:
    rule = HazardRule(verdict=Verdict.REFUSE, schema="public")
    assert verdict_on(OWNER, (), [rule]) is Verdict.REFUSE
    extension = hazard(HazardKind.EXTENSION_VERSION, FactId("extension", ("public",)))
    assert verdict_on(extension, (), [rule]) is None


def test_a_consent_for_what_the_plan_does_not_have_is_pointed_out() -> None:
    given = consents(["data-loss:table:public.old_order", "data-loss:table:public.old_orders", "data-loss"])
    (told,) = unused_consents(ALL, given)
    assert "data-loss is allowed for table:public.old_order, but" in told


def test_the_error_has_a_flag_and_a_line_of_the_configuration_for_each_object() -> None:
    error = hazard_error([OLD, COLUMN], online=False)
    assert error.hazards == (OLD, COLUMN)
    assert error.hint == (
        "allow it with --allow data-loss:table:public.old_orders --allow data-loss:column:staging.t.a, or in the"
        ' configuration with allow = ["data-loss:table:public.old_orders", "data-loss:column:staging.t.a"]'
    )
    assert "--online" in str(hazard_error([REWRITE], online=False).hint)
    assert "--online" not in str(hazard_error([REWRITE], online=True).hint)


def test_many_refusals_are_not_all_listed() -> None:
    many = [hazard(HazardKind.DATA_LOSS, FactId("table", ("public", f"t{number}"))) for number in range(12)]
    error = hazard_error(many, online=True)
    assert error.message.endswith("and 2 more")
    assert str(error.hint).endswith("and 2 more separately, or --allow data-loss for all")


def test_the_configuration_has_rules() -> None:
    found = parse_configuration(
        {
            "hazards": [
                {"hazard": ["table-rewrite", "blocking_lock"], "above": "1GB", "verdict": "refuse"},
                {"schema": "staging", "object": "table:*", "verdict": "allow"},
            ]
        },
        FILE,
    )
    assert found.get("hazards") == (
        HazardRule(
            verdict=Verdict.REFUSE,
            hazards=(HazardKind.TABLE_REWRITE, HazardKind.BLOCKING_LOCK),
            above_bytes=1024**3,
        ),
        HazardRule(verdict=Verdict.ALLOW, schema="staging", object="table:*"),
    )


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"verdict": "allow"}, "hazards must be a list of tables"),
        ([{"verdict": "maybe"}], r"hazards\[1\]: verdict must be allow or refuse"),
        ([{}], r"hazards\[1\]: verdict must be"),
        ([{"verdict": "allow", "size": 1}], r"hazards\[1\]: unknown key size"),
        (
            [{"verdict": "allow"}, {"verdict": "allow", "hazard": "rewrite"}],
            r"hazards\[2\]: hazard rewrite does not exist",
        ),
        ([{"verdict": "allow", "above": "big"}], r"hazards\[1\]: above must be a size like 64MB"),
        ([{"verdict": "allow", "schema": 1}], r"hazards\[1\]: schema must be a text"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(rules: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_configuration({"hazards": rules}, FILE)
