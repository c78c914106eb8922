"""Every limit of the server in one place: its unit in its name, its reason beside it.

Limits of a single link (frame length, connections, reply deadline) are configuration: `authoriser.config`.
"""

READ_MAX_BYTES = 16_384
"""Taken from one socket at a time. One read decides every whole frame in it with no await inside, so this bounds
how long one line can keep the others waiting: about 80 requests, some 5 ms with pyiso8583 doing the work."""

OUTBOX_MAX_BYTES = 262_144
"""Replies that wait for one slow reader. Beyond it that line is not read until it drains; its replies go void at
their deadlines, as any that did not leave."""

WRITE_STALL_MAX_S = 30.0
"""A peer that takes not one byte for this long is not slow but gone. Its replies went void long before."""

LINGER_MAX_S = 2.0
"""How long a line that ends waits for its peer to take the last replies and to end its side."""

PENDING_RECORDS_MAX = 20_000
"""Records decided and not yet handed to the journal. Beyond it nothing is decided: requests get 91, advices and
reversals silence. At 500 bytes a record the next batch stays below 10 MB."""

PENDING_WAITERS_MAX = 100_000
"""Replies and acknowledgements that wait for one append, dropped ones included: they are let go only by it."""

OUTSTANDING_REPLIES_MAX = 50_000
"""Replies decided and neither sent nor dropped. Ten times what a healthy server holds at 20,000/s. Repeats of what is
known already are answered up to twice as many, then met with silence: a 91 would contradict their first answer."""

FULL_DISK_RETRY_S = 0.25
"""How often a full disk is tried again with the same batch."""

ACCEPT_BACKLOG = 1_024
"""Connections that the kernel may hold before they are accepted; a network redials all its lines at once."""

ACCEPT_PAUSE_S = 0.1
"""After running out of file descriptors: time for some to close."""

KEEPALIVE_IDLE_S = 30
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_PROBES = 3
"""A half-open peer is noticed by TCP in about a minute, whatever the network's own echo says."""

DIAL_MAX_S = 10.0
"""A network's host that does not answer at all is given up after this, and dialled again later."""

REDIAL_FIRST_S, REDIAL_MAX_S = 0.5, 30.0
"""The longest wait before a line is dialled again: doubled from the first to the second; the shortest is half of it. A
network that restarts is found within seconds, and one that is away for a day is asked 4,000 times by each line."""

SIGN_ON_HELD_S = 10.0
"""A line that was up for so long had a sign-on that held: its next wait is the first again. Without this, a network
that takes sign-ons and then hangs up would be dialled twice a second."""

MANAGEMENT_WAIT_S = 5.0
"""How long the network may take to answer an 0800 of ours: more than any network's timer for it."""

SIGN_OFF_WAIT_S = 2.0
"""The same of a sign-off while we drain: requests still come in and are answered, so nothing is lost by not waiting."""

ECHOES_MISSED_MAX = 2
"""In a row, with nothing else heard between: then the line is dead, whatever TCP thinks."""

TLS_HANDSHAKE_MAX_S = 10.0
"""A peer that connects and does not shake hands holds a place among the link's connections no longer than this."""

TLS_RECORD_BYTES = 16_384
"""The longest record there is (RFC 8446, 5.1). Replies that are ready together leave in one."""

LINES_SHOWN_MAX = 64
"""Lines of one link that `status` shows one by one."""

DRAIN_MARGIN_S = 12.0
"""SIGTERM: how long after the longest reply deadline the rest may take (a line's last byte, lingering, the journal,
a last snapshot) before the process leaves without it."""

HOLD_LIFETIME_MS = 7 * 86_400_000
"""Seven days: the usual validity of an authorisation where the network states none."""

REQUEST_KEY_LIFETIME_MS = 86_400_000
"""A network repeats a request within minutes; a day covers a line that was down."""

REVERSAL_KEY_LIFETIME_MS = HOLD_LIFETIME_MS + 3 * 86_400_000
"""A hold's life plus three days of the network's store-and-forward."""

PAYMENT_LIFETIME_MS = 30 * 86_400_000
"""How long a payment is remembered after its hold's end: a presentment may come that late, and find what it is of."""

TOMBSTONE_LIFETIME_MS = 3_600_000
"""How long a reversal that came first declines its original."""

CHANGE_KEY_LIFETIME_MS = 30 * 86_400_000
"""How long an operator's retry finds the change that was made under its key."""

KEPT_ANSWERS_MAX = 10_000
"""Answers remembered for one account. Full, its new requests are refused; none is forgotten early."""

UNKNOWN_CARD_ANSWERS_MAX = 10_000
"""Answers remembered for cards that nobody knows, shard-wide: someone trying numbers fills only this."""

CLOCK_JUMP_MAX_MS = 3_600_000
"""A wall clock that runs ahead of the monotonic one by more than this is not followed: it would expire holds."""

START_AFTER_MAX_DAYS = 400
"""A journal whose last record is older than this, by the clock, is more likely a wrong clock than a long rest."""

SWEEP_INTERVAL_S = 1.0
"""How often due hold expiries become records."""

SWEEP_HOLDS_MAX = 500
"""Holds expired between two commits, so that a busy hour's holds, a week later, stall nobody."""

EXPIRIES_STALE_MAX = 10_000
"""Expiries of accounts that were evicted, kept beside as many as there are open holds, before they are dropped."""

SHARED_APPEND_PACE_S = 0.01
"""From the beginning of one append to Cassandra to the next at least. Each is a lightweight transaction with four
synced writes, some 4 ms of CPU, however little is in it; with a node beside it that answers within 5 ms, a server with
2,000 requests a second would ask for 190 a second. What comes after a rest waits for nothing."""

FULL_COLLECTION_MAX_S = 0.005
"""CPU time of a full garbage collection, in which no payment is decided. After a longer one, all that it left is passed
by from then on: so there is one such pause for each tens of thousands of objects that come to stay, and not one every
few seconds."""

SNAPSHOT_INTERVAL_S = 10.0
"""Between snapshot rounds: bounds what a start has to replay."""

SNAPSHOT_SLICE = 400
"""Kept answers, holds and accounts encoded between two awaits: 2 us each, so about a millisecond. An account whose
customer pays all day has hundreds of kept answers; counting accounts alone stalled payments for 140 ms."""

SNAPSHOT_QUIET_SLOTS = 1_000
"""Batches without a record, as heartbeats are, after which the checkpoint moves all the same: a start reads them."""

SNAPSHOT_GAP_S = 0.1
"""Between two rounds when the cache wants them: it is full of accounts that no snapshot has."""

SNAPSHOT_PAUSE_S = 0.01
"""Between two slices of a round: snapshots share the disk with the commits, and are in no hurry."""

LOADS_AT_ONCE = 64
"""Accounts and cards asked for at a time by misses. At a millisecond each they are some ten thousand a second, more
than this process can decide."""

LOAD_MAX_S = 1.0
"""A miss whose load takes longer has failed: its request is told 91 while its network still listens."""

ROOM_MAX_S = 5.0
"""How long an operator's change waits for room in memory: a snapshot round or two. A file's rows come faster than they
can be saved."""

CACHE_WAITERS_MAX = 10_000
"""Commands that wait for a load. Beyond it requests get 91 and facts silence, as with a full journal."""

CACHE_EVICTIONS_PART = 64
"""Of the bound, so much more is evicted at a time than must be: who may go is asked in one go."""

CACHE_CRAMPED_MARGIN = 64
"""Accounts looked at for eviction beyond those wanted, and accounts over twice the bound before no more are loaded."""

CACHE_LEFT_REMEMBERED_MIN = 10_000
"""Accounts that left, of which the version is remembered that each had: one that comes back older is refused. So many
at least, and as many as may be in memory."""

CHECKPOINT_LOOK_S = 1.0
"""Between two looks of a follower at how far its leader's snapshots are: one row."""

CHECKPOINT_LOOK_MAX_S = 0.5
"""What such a look may take: meanwhile the log is not looked at."""

CHECKPOINT_MARKS_MAX = 10_000
"""Places of the log that a follower remembers until the checkpoint passes them. Beyond it every other one is dropped:
accounts then leave a little later."""

DUE_PAGE = 500
"""Accounts with ended holds that are loaded together."""

LAST_FOUR_LISTED = 3
"""Cards named where more than one ends in the digits that an operator gave."""

ADMIN_LINE_MAX_BYTES = 1_048_576
"""One JSON-RPC line, without its end. A thousand import rows are some 150 kB; a peer that sends more is no client."""

ADMIN_CONNECTIONS_MAX = 64
"""Operators and an app's backend. Beyond it a connection is closed at once."""

IMPORT_ROWS_MAX = 1_000
"""Rows a call, of at most three records each: one batch of the journal stays below a few hundred kilobytes."""

IMPORT_SLICE = 50
"""Rows decided between two looks at the network's lines."""

EVENTS_PAGE = 200
"""Batches read in one short transaction by `events` and `verify`: a long one would hold the log from checkpointing."""

POLICY_TEXT_MAX = 262_144
"""Characters of a policy's TOML: some hundred rules are a tenth of it, and each load is a record."""

CONTROLS_LIST_MAX = 200
"""Entries in one list of a card's controls: a card's aggregate is loaded and saved whole."""

OVERLAP_MAX_DAYS = 366
"""How long a replaced card may stay good beside its successor."""

PROPOSAL_LIFETIME_MS = 7 * 86_400_000
"""How long a change waits for a second person before it is forgotten."""

PROPOSALS_MAX = 1_000
"""Changes that wait for a second person. Beyond it none is taken: somebody should look at those that are there."""

CLEARING_ROWS_MAX = 500
"""Rows a call, of some 500 bytes on the line and two records each."""

CLEARING_SLICE = 25
"""Rows of a clearing file decided between two looks at the network's lines: each looks for its payment, so it costs
more than an import's."""

HISTORY_PAGE_MAX = 500
"""Entries of an account's history in one answer."""

RELAY_PAGE_BATCHES = 200
"""Batches read at once by the relay: at 20 kB each some 4 MB, and a short transaction of SQLite."""

RELAY_TRANSACTION_BYTES = 4_194_304
"""Of journal batches in one transaction of Kafka; one batch goes whole, however large it is."""

RELAY_EMPTY_BATCHES = 500
"""Batches without a record after which the position is written all the same: a leader with nothing to say appends
several a second, and each transaction costs the brokers a dozen writes."""

RELAY_PRODUCE_BYTES = 524_288
"""One produce request: half of what a broker takes by default."""

EVENT_MAX_BYTES = 4_194_304
"""One event, on a topic that we make. The longest are policies: RELAY and readers alike must hold one in memory."""

RELAY_POLL_S = 0.02
"""How often a relay that nobody wakes looks for new batches: what it adds to an event's way, at most. 50 reads a second
cost 2 % of a core."""

RELAY_WOKEN_POLL_S = 0.5
"""The same where the server wakes it after each commit: only for a wake-up that was lost."""

RELAY_PACE_S = 0.075
"""From the beginning of one transaction to the next at least: each costs relay and brokers the same, however little is
in it, and a busy leader appends a hundred batches a second. It adds to an event's way, at most."""

RELAY_NICENESS = 5
"""Where there are not enough cores, payments come first: an event waits, a network does not (nice(2))."""

RELAY_TRANSACTION_S = 30.0
"""After this a transaction is given up and tried anew; brokers give it up after twice as long."""

RELAY_SLOW_S = 2.0
"""Connecting or a transaction that takes longer is told to whoever looks: Kafka is away, or near it."""

RELAY_STEP_S = 60.0
"""What connecting, checking topics and reading the position may take together."""

RELAY_BACKOFF_FIRST_S = 0.1
RELAY_BACKOFF_MAX_S = 5.0
"""After an error: doubled each time, with jitter, so that relays of many shards don't return all at once."""

RELAY_DRAIN_S = 5.0
"""When it is told to stop: how long it may take to relay what is durable already."""

RELAY_END_MARGIN_S = 2.0
"""After that it is killed, which costs nothing but the time to end its transaction."""

RELAY_HALTED_S = 60.0
"""A relay that halted is started again after so long, in case the cause is gone."""
