"""The command `reconciler`: arguments in, text or JSON and an exit code out.

Who does what:

    commands        the commands themselves
    options         their options, joined with the configuration
    config_file     the configuration: reconciler.toml, pyproject.toml
    console         where output goes, how errors look, which database is meant
    output          what is printed of plans and results, and the exit codes that follow
    progress        how far a long statement has come
    rename_prompts  a question about what looks like a rename
    plan_file       plans written to a file and applied from one
    rollback        the command of that name
    demo            the main job from beginning to end
"""
