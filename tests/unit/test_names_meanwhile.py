"""Names of what is out of the way for a while."""

from __future__ import annotations

from reconciler.model.temporary_names import PREFIX, free_name


def test_a_free_name_says_what_it_is_for_where_that_fits_and_nobody_has_it() -> None:
    assert free_name("app", "orders", "__replaced", set()) == "orders__replaced"
    assert free_name("app", "orders", "__replaced", {("other", "orders__replaced")}) == "orders__replaced"


def test_a_free_name_is_nobodys_and_no_longer_than_postgres_keeps() -> None:
    taken = {("app", "orders__replaced")}
    first = free_name("app", "orders", "__replaced", taken)
    assert first.startswith(PREFIX)
    assert first not in {free_name("app", "orders", "__replaced", {*taken, ("app", first)}), "orders__replaced"}
    long = "ü" * 31
    names = {free_name("app", long + end, "__replaced", set()) for end in "ab"}
    assert len(names) == 2
    assert all(len(each.encode()) <= 63 for each in names)
