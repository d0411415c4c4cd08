"""The command `reconciler`: arguments in, text or JSON and an exit code out.

Who does what:

    commands        the entry point: one command line in, an exit code out
    apply           plan, apply and adopt
    check           check
    repair          repair
    rollback        rollback
    history         what the ledger has: status, history, show, reset
    schemas         schemas alone, without a ledger: diff, dump, diagram
    watch           watch, and check --watch
    incidents       drift as incidents
    timeline        log and blame
    plugin          plugin list, rename, uninstall
    audit           audit install, status, verify, prune, uninstall
    demo            the main job from beginning to end
    options         the settings of a command: the command line's, joined with the configuration's
    config_file     the configuration: reconciler.toml, pyproject.toml
    config_rules    its tables of rules: hazards, ignore, policy
    console         where output goes, how errors look, which database is meant
    output          what is printed of plans and results, and the exit codes that follow
    progress        how far a long statement has come
    rename_prompts  a question about what looks like a rename
    plan_file       plans written to a file and applied from one
"""
