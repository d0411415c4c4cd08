"""What cannot be altered, and is recreated or rearranged while its values and rows are kept.

Who does what:

    registry          all of them, in their order
    recreate_table    tables that cannot be altered
    leaving_rows      which rows belong to another partition as bounds change
    reroute_rows      how they are moved there
    convert_columns   columns of a type that is recreated
    row_type_columns  columns that hold rows of a table that is rewritten
    typed_tables      tables that follow a composite type
    reparent_tables   tables whose parents change
    exchange_names    NOT NULL constraints that take each other's names
"""
