"""What a comparison of two states cannot tell: renames, conversions, what is left alone.

Who does what:

    intent       the wishes as plain data
    hints        reads them from comments that Postgres ignores
    resolve      what they come to on this database
    renaming     live with the renames made, asked of Postgres
    suggestions  what looks like a rename that nobody asked for
"""
