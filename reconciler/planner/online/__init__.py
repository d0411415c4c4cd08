"""Changes of large tables that do not block those who use them.

Who does what:

    exchanged_columns   which columns are exchanged for one of another type, and what keeps them from it
    column_swap         the exchange
    filled_columns      new columns with another value in each row
    temporary_columns   what both have in common: the trigger and the batches of a column under a temporary name
    concurrent_indexes  indexes and keys built, and dropped, concurrently
    concurrent_detach   partitions that are detached concurrently
"""
