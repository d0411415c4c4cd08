"""`python -m reconciler`, the same as the command."""

from reconciler.cli.commands import main

main()
