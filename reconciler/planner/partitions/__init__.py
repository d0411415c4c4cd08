"""Parts of partitioned tables.

Who does what:

    tree              tables, their partitions, and theirs
    bounds            which rows are within a partition's bounds
    index_attachment  how indexes and keys of partitions belong to their parent's
    index_pairing     which index of a partition Postgres attaches to which of its parent's
    publications      which publications send a table, and what is kept from them
    trigger_state     how triggers of partitions are enabled
"""
