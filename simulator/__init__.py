"""The card network's side of the wire: shops that pay, checks of every answer, load.

It meets the authoriser over its sockets alone and takes nothing of ours but `isowire`'s framing. What it sends and
what it reads is encoded and decoded by pyiso8583 directly, so that a bug of our codec cannot hide on both sides.
"""
