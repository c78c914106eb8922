"""What `status` says: a look at the whole process, from where each number lives."""

import os
from collections.abc import Sequence

from authoriser import __version__
from authoriser.admin import protocol as p
from authoriser.config import Config
from authoriser.listener import Listener
from authoriser.owner import ShardOwner
from authoriser.relay.supervisor import RelaySupervisor
from authoriser.telemetry.metrics import Counters
from authoriser.texts import now_iso


class StatusPage:
    """Asked by operators and `authoriser status`; reads, and changes nothing."""

    def __init__(
        self,
        config: Config,
        owner: ShardOwner,
        counters: Counters,
        listeners: Sequence[Listener],
        relay: RelaySupervisor | None = None,
    ) -> None:
        self._config = config
        self._owner = owner
        self._counters = counters
        self._listeners = listeners
        self._relay = relay
        self._started_at = now_iso()

    def status(self) -> p.Status:
        owner, state = self._owner, self._owner.state
        return p.Status(
            version=__version__,
            pid=os.getpid(),
            started_at=self._started_at,
            data_dir=str(self._config.data_dir),
            shard=state.shard,
            epoch=owner.commit.epoch,
            durable_seq=owner.commit.durable_seq,
            record_no=state.record_no,
            accounts=len(state.accounts),
            cards=len(state.cards),
            holds=owner.open_holds,
            in_flight=owner.desk.outstanding,
            pending_records=owner.commit.pending_records,
            links=tuple(_link(listener) for listener in self._listeners),
            decisions=dict(self._counters.decisions),
            counters=dict(self._counters.counts),
            snapshots=p.SnapshotStatus(owner.snapshots.checkpoint_record_no, len(state.dirty)),
            relay=self._relay.status() if self._relay is not None else None,
        )


def _link(listener: Listener) -> p.LinkStatus:
    host, port = listener.address
    return p.LinkStatus(
        name=listener.link.name,
        network=listener.link.network,
        listen=f"{host}:{port}",
        dialect=listener.link.dialect.name,
        framing=listener.link.framing.name,
        connections=len(listener.lines),
        signed_on=sum(line.signed_on for line in listener.lines),
    )
