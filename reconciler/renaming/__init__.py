"""Objects that go on under another name.

Who does what:

    renaming  live with the renames made, asked of Postgres
    by_hand   what was renamed on live, told by where Postgres keeps it
"""
