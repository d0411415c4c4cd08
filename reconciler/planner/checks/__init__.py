"""What is asked of the rows before the first lock.

Who does what:

    constraint_checks  rows that violate a new constraint
    value_checks       values that a new type or domain does not take
    row_queries        how such queries are written
"""
