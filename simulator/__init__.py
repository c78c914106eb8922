"""The card network's side of the wire: shops that pay, checks of every answer, load.

It meets the authoriser over its sockets alone and takes nothing of ours but `isowire`, which frames and writes what it
sends. What comes back is read by pyiso8583 directly, so that a bug of our codec can't hide on both sides.
"""
