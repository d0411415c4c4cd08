"""What follows from a plugin's name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.plugins import baseline_tag, derive_schema_name, lock_id, migration_tag


@pytest.mark.parametrize(
    ("plugin", "schema"),
    [
        ("chat", "chat"),
        ("plugin-chat", "chat"),
        ("@acme/plugin-chat", "chat"),
        ("@acme/chat", "chat"),
        ("@acme/plugin-Chat--Log!", "chat_log"),
        ("Chat.Log", "chat_log"),
        ("__chat__", "chat"),
        ("my-plugin-chat", "my_plugin_chat"),
        ("plugin-plugin-chat", "plugin_chat"),
        # the core plugin owns public, and only by its exact two names
        ("plugin-sql", "public"),
        ("@elizaos/plugin-sql", "public"),
        ("@acme/plugin-sql", "sql"),
        ("sql", "sql"),
        # nothing left, or a reserved name: the whole name instead
        ("", "plugin_"),
        ("!!!", "plugin_"),
        ("plugin-", "plugin_plugin"),
        ("@acme/", "plugin_acme"),
        ("public", "plugin_public"),
        ("Public", "plugin_public"),
        ("plugin-public", "plugin_plugin_public"),
        ("@acme/plugin-migrations", "plugin_acme_plugin_migrations"),
        ("pg_catalog", "plugin_pg_catalog"),
        ("information-schema", "plugin_information_schema"),
        # prefixes are taken off only at the start, the second only in lower case
        ("@acme/sub/chat", "sub_chat"),
        ("acme/plugin-chat", "acme_plugin_chat"),
        ("Plugin-chat", "plugin_chat"),
        # a schema's name starts with a letter
        ("2fa", "p_2fa"),
        ("plugin-3d", "p_3d"),
        ("日本", "plugin_"),
        ("café", "caf"),
        # and has 63 bytes at most
        ("a" * 70, "a" * 63),
        ("1" * 63, "p_" + "1" * 61),
    ],
)
def test_schema_of_a_plugin(plugin: str, schema: str) -> None:
    assert derive_schema_name(plugin) == schema


@given(st.text())
def test_a_schema_name_never_needs_quotes_and_never_is_too_long(plugin: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", derive_schema_name(plugin))


def test_lock_id_is_the_start_of_the_sha256_as_63_bits() -> None:
    # printf plugin-sql | sha256sum
    assert lock_id("plugin-sql") == 0xEA7DFE4820738413 & 0x7FFFFFFFFFFFFFFF
    assert lock_id("@elizaos/plugin-sql") != lock_id("plugin-sql")


@given(st.text())
def test_lock_id_fits_the_advisory_lock_functions(plugin: str) -> None:
    assert 1 <= lock_id(plugin) < 2**63


@pytest.mark.parametrize(
    ("plugin", "idx", "tag"),
    [
        ("chat", 0, "0000_chat_loyw3v28"),
        ("chat", 12, "0012_chat_loyw3v28"),
        ("chat", 12345, "12345_chat_loyw3v28"),
        ("@acme/plugin-chat", 0, "0000_acme_plugin-chat_loyw3v28"),
        ("../../etc/passwd", 0, "0000_etc_passwd_loyw3v28"),
        ("a b\n'\"", 0, "0000_a_b_loyw3v28"),
        ("日本", 0, "0000_plugin_loyw3v28"),
    ],
)
def test_tag_of_a_migration(plugin: str, idx: int, tag: str) -> None:
    assert migration_tag(plugin, idx, 1_700_000_000_000) == tag


@given(st.integers(min_value=0, max_value=2**53))
def test_the_time_in_a_tag_reads_back(milliseconds: int) -> None:
    assert int(migration_tag("chat", 0, milliseconds).rpartition("_")[2], 36) == milliseconds


def test_tag_of_a_baseline() -> None:
    assert baseline_tag(1_700_000_000_000) == "introspected_1700000000000"
