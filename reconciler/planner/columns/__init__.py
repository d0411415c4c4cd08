"""Parts of columns, as the rules of several kinds write them.

Who does what:

    clauses            a column as CREATE TABLE and ADD COLUMN write it
    hierarchy          columns that a table has from its parents
    local_overrides    what such a column has in a way of its own
    not_null           NOT NULL and its constraint
    identity           identity columns
    identity_backfill  the values of a new identity column in existing rows
    backfill           the values of a new column in existing rows, as hints specify them
    sequence_values    the next value of a sequence that is recreated
"""
