"""The rehearsal of a plan before live is touched.

Who does what:

    rehearsal  the plan on a copy of live's schema, compared fact by fact
    rows       the same with sampled rows in the copy
    sampling   which rows are read from live for that
"""
