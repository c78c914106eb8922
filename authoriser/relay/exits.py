"""How a relay's process ends, for whoever supervises it. Numbers are those of sysexits.h where it has one."""

EXIT_STOPPED = 0
"""It was told to stop, and did."""
EXIT_UNUSABLE = 1
"""It can't work with this configuration or this journal."""
EXIT_HALTED = 65
"""EX_DATAERR: position, topic and journal can't all be true. An operator must look; starting it again changes nothing
by itself, and harms nothing either, as it looks again first."""
EXIT_FENCED = 75
"""EX_TEMPFAIL: a newer relay has the shard. Start it again only once the shard is known to be one's own."""
