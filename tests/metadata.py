"""SQLAlchemy metadata for the tests of sources."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql


def full_metadata() -> sa.MetaData:
    """Tables that refer to each other, and what else create_all() makes."""
    metadata = sa.MetaData()
    mood = sa.Enum("it's", "100%", name="mood", schema="types", metadata=metadata)
    sa.Sequence("numbers", schema="counters", metadata=metadata)
    sa.Table(
        "a",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("b_id", sa.ForeignKey("odd name.b.id", name="a_to_b")),
        sa.Column("mood", mood, server_default="100%"),
        sa.Column("data", postgresql.JSONB, comment="100% 'quoted'; \\ and all"),
        sa.Index("a_data", "data", postgresql_using="gin"),
        sa.CheckConstraint("id % 2 = 0", name="even"),
        comment="a table",
    )
    sa.Table(
        "b",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("a_id", sa.ForeignKey("a.id", name="b_to_a")),
        sa.Column("mood", mood),
        schema="odd name",
    )
    return metadata
