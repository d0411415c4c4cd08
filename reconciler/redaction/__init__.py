"""What may be shown of secrets: nothing. Pure: no I/O.

Who does what:

    masking  which options of objects are secret; messages without the secrets in them
    dsn      connection strings, and what may be shown of them
"""
