"""`make demo`: the whole path on this machine in about a minute, with checks that can fail.

It knows commands, files and sockets alone, as an operator does: it imports nothing of the authoriser, and
of the simulator only what builds messages.
`story.py` is the demo from top to bottom; the files beside it say how a step looks, runs or is checked.
"""
