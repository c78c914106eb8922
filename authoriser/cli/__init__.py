"""The command line, `authoriser`: a file for each group of commands, `main.py` says which there are."""
