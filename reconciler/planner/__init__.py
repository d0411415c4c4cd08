"""Differences -> statements. Pure: no I/O.

Who does what, from top to bottom; each imports only from below:

    planner     live and the goal -> a plan
    decide      what happens to each fact
    emit        the statements in order, each with its facts, checks and locks
    ordering    what comes before what, and the one sort
    impact      what follows whichever statement does it
    rules       one module for each kind, and the registry
    strategies  tables, columns and rows that must be recreated, converted or moved
    online      indexes, columns and partitions that change without blocking others
    checks      what is asked of rows before the first lock
    columns     parts of columns
    partitions  parts of partitioned tables
    core        what a rule is, what it may know, what is put in order
    sql         how SQL text is written
"""
