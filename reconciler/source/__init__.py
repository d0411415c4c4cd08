"""Where the declared state comes from: text, files, commands, modules, databases.

Who does what:

    source          a Source: statements, and where each of them came from
    reading         from what a user names to a Source
    parts           its text: files, folders, standard input, commands, Python values
    ownership       whether a folder's files may tell us what to run
    migration_folders  those of other tools: in their order, without what undoes them
    skipped         IF NOT EXISTS that makes nothing
    screening       which statements a source may not hold
    loader          runs the statements in scratch, in whatever order Postgres accepts them
    metadata        SQLAlchemy's metadata as SQL
    metadata_engine what SQLAlchemy takes for a connection meanwhile
    metadata_hints  the hints in its `info`
    hints           comments that Postgres ignores and that say what is wanted
    places          file and line of each object of a plan
"""
