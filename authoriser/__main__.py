"""`python -m authoriser` is the command line."""

from authoriser.cli.main import main

main()
