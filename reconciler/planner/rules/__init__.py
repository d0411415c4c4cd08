"""How facts of each kind are created, dropped and altered: one module for each kind, or for a few that belong together.

`registry` has them all. The other modules:

    schemas, tables, inheritance, columns, new_columns, column_types, generated_columns, defaults, constraints, indexes,
    views, triggers, sequences, routines, types, range_and_base_types, operators, text_search, statistics,
    foreign_data, replication, settings, database_wide, privileges, comments_owners_labels
"""
