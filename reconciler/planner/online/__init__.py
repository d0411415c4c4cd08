"""Changes of large tables that do not block those who use them.

Who does what:

    column_swap         a column built beside the one that it replaces
    concurrent_indexes  indexes and keys built, and dropped, concurrently
    concurrent_detach   partitions that are detached concurrently
"""
