"""The admin socket: what operators ask of a running authoriser, and the answers."""
