"""What `status` says: a look at the whole process, from where each number lives."""

import os
from collections.abc import Sequence

from authoriser import __version__, limits
from authoriser.admin import protocol as p
from authoriser.config import Config
from authoriser.door import Door
from authoriser.ledger.state import ShardState
from authoriser.owner import ShardOwner
from authoriser.recovery import Replayer
from authoriser.relay.supervisor import RelaySupervisor
from authoriser.telemetry.metrics import Counters
from authoriser.texts import now_iso


class StatusPage:
    """Asked by operators and `authoriser status`; reads, and changes nothing."""

    def __init__(
        self, config: Config, counters: Counters, listeners: Sequence[Door], *, journal: str = ""
    ) -> None:
        """`journal` says where a shared journal is."""
        self._config = config
        self._counters = counters
        self._listeners = listeners
        self.journal = journal
        self.relay: RelaySupervisor | None = None
        """Whoever leads and has [kafka] puts its own here."""
        self._started_at = now_iso()

    def leading(self, owner: ShardOwner) -> p.Status:
        """Of a process that decides."""
        state = owner.state
        return self._status(
            state,
            role="leader",
            epoch=owner.commit.epoch,
            durable_seq=owner.commit.durable_seq,
            holds=owner.open_holds,
            in_flight=owner.desk.outstanding,
            pending_records=owner.commit.pending_records,
            snapshots=p.SnapshotStatus(owner.snapshots.checkpoint_record_no, len(state.dirty)),
            relay=self.relay.status() if self.relay is not None else None,
        )

    def following(self, replayer: Replayer, role: str, *, saved_record_no: int = 0) -> p.Status:
        """Of a process that keeps a state warm for the day when it decides, or reads itself into one.

        Up to `saved_record_no` its leader has saved all, as far as it knows.
        """
        state = replayer.state
        return self._status(
            state,
            role=role,
            epoch=state.commons.epoch,
            durable_seq=replayer.tail.seq,
            holds=sum(len(account.holds) for account in state.accounts.values()),
            in_flight=0,
            pending_records=0,
            snapshots=p.SnapshotStatus(saved_record_no, len(state.dirty)),
        )

    def _status(
        self,
        state: ShardState,
        *,
        role: str,
        epoch: int,
        durable_seq: int,
        holds: int,
        in_flight: int,
        pending_records: int,
        snapshots: p.SnapshotStatus,
        relay: p.RelayStatus | None = None,
    ) -> p.Status:
        return p.Status(
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            data_dir=str(self._config.data_dir),
            shard=state.shard,
            epoch=epoch,
            durable_seq=durable_seq,
            record_no=state.record_no,
            accounts=len(state.accounts),
            cards=len(state.cards),
            holds=holds,
            in_flight=in_flight,
            pending_records=pending_records,
            links=tuple(_link(listener) for listener in self._listeners),
            decisions=dict(self._counters.decisions),
            counters=dict(self._counters.counts),
            snapshots=snapshots,
            role=role,
            journal=self.journal,
            relay=relay,
        )


def _link(listener: Door) -> p.LinkStatus:
    host, port = listener.address
    return p.LinkStatus(
        name=listener.link.name,
        network=listener.link.network,
        listen=f"{host}:{port}",
        dialect=listener.link.dialect.name,
        framing=listener.link.framing.name,
        connections=len(listener.lines),
        signed_on=sum(line.signed_on for line in listener.lines),
        role=listener.role,
        tls=listener.setting.tls is not None,
        down=listener.down,
        lines=tuple(
            p.LineStatus(
                number=line.number,
                peer=line.peer,
                state=line.state,
                since=line.since,
                problem=line.problem,
                reconnects=line.reconnects,
            )
            for line in listener.view(limits.LINES_SHOWN_MAX)
        ),
    )
