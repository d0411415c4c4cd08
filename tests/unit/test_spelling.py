"""What Postgres prints for a cast array is written so that it is read back as it was, and compared as if it had been."""

from __future__ import annotations

import pytest

from reconciler.model.facts import canonical_json
from reconciler.sqltext.roundtrip import alike, faithful

PRINTED = "((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))"
READ_BACK = "((status)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))"


def test_a_cast_array_is_kept_from_its_elements() -> None:
    assert faithful(PRINTED) == (
        "((status)::text = ANY (((ARRAY['a'::character varying, 'b'::character varying])"
        "::character varying[])::text[]))"
    )


@pytest.mark.parametrize("text", ["x = ANY (ARRAY[1, 2])", "'(ARRAY[1])::text[]'", READ_BACK])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert faithful(text) == text


def test_columns_without_a_name_get_none_from_their_casts() -> None:
    branch = " SELECT b.r,\n    NULL::integer{0},\n    'a,\n  NULL::text'::text{0},\n    NULL::text AS x\n   FROM b"
    view = "CREATE VIEW v AS  SELECT a.r\n   FROM a\nUNION ALL\n"
    assert faithful(view + branch.format("")) == view + branch.format(' AS "?column?"')
    assert faithful(branch.format("")) == branch.format("")


def test_both_spellings_are_alike_and_others_are_not() -> None:
    printed, back, other = (
        canonical_json({"definition": each}) for each in (PRINTED, READ_BACK, PRINTED.replace("b", "c"))
    )
    assert alike(printed, back)
    assert not alike(printed, other)
    assert not alike(printed, None)
