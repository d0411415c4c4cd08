"""What a comparison of two states cannot tell: renames, conversions, what is left alone.

Who does what:

    resolve             what the hints come to on this database
    rename_simulation   live with the renames made, asked of Postgres
    rename_statements   the statements that rename
    rename_suggestions  what looks like a rename that no hint asks for
    manual_renames      what was renamed on live by hand, found by where Postgres keeps it
"""
