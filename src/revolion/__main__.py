"""`python -m revolion`: the command, where its name is not on the path."""

from revolion.cli import main

main()
