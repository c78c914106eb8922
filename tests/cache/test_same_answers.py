"""The same traffic with every account in memory and with three of fifty: the same answers, and the same state.

The traffic is any sequence of messages, repeats, operators' changes, snapshot rounds and days that pass.
"""

from typing import Any

from cache_bench import CARDS, Disk, account, audit, in_mock_time, leap, pass_time, running
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from authoriser.cache import Name
from authoriser.ledger.commands import ChangeCardState, CommandRefused, CreditAccount
from authoriser.ledger.digest import problems, state_hash
from authoriser.ledger.state import ShardState
from authoriser.snapshots.blobs import COMMONS_ID, account_of
from rules import CardState

BOUND = 3
DAY_S = 86_400

card = st.integers(min_value=0, max_value=CARDS)
"""One more than there are: the last is nobody's."""
few = st.integers(min_value=0, max_value=4)
amount = st.sampled_from([1, 2_500, 99_999, 100_000])
STEPS = st.one_of(
    st.tuples(st.sampled_from(["0100", "0200", "0120", "0220"]), st.one_of(card, few), amount),
    st.tuples(st.just("0400"), st.integers(0, 99), st.integers(0, 99)),
    st.tuples(st.just("repeat"), st.integers(0, 99), st.just(0)),
    st.tuples(st.sampled_from(["freeze", "unfreeze", "credit"]), st.one_of(card, few), amount),
    st.tuples(st.just("round"), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([1, 3_600, DAY_S, 7 * DAY_S, 40 * DAY_S]), st.just(0)),
)


class Play:
    """One sequence on one process. `heard` is every answer, and what every change came to."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.heard: list[Any] = []
        self.sent: list[tuple[int, str, dict[str, str]]] = []

    async def step(self, what: str, which: int, more: int) -> None:
        stan = f"{len(self.sent) + 1:06}"
        if what in {"0100", "0200", "0120", "0220"}:
            action = {"f39": "00"} if what == "0120" else {}
            await self.message(
                which, what, {"f4": f"{more:012}", "f11": stan, "f37": "900000" + stan, **action}
            )
        elif what == "0400":
            if self.sent:
                number, mti, fields = self.sent[which % len(self.sent)]
                original = f"{mti}{fields['f11']}1123010203{'00000123456'}{'0' * 11}"
                changes = {"f11": stan, "f37": "800000" + stan, "f90": original}
                if more % 3 == 0:
                    changes["f95"] = f"{more:012}".ljust(42, "0")
                await self.message(number, "0400", {"f4": fields["f4"], **changes})
        elif what == "repeat":
            if self.sent:
                number, mti, fields = self.sent[which % len(self.sent)]
                await self.message(number, mti[:3] + "1", fields)
        elif what == "round":
            await self.process.round()
        elif what == "wait":
            leap(which)
            await wait_all_tasks_blocked()
            await pass_time(1)
        else:
            await self.change(what, which, more)

    async def message(self, number: int, mti: str, fields: dict[str, str]) -> None:
        if not mti.endswith("1"):
            self.sent.append((number, mti, fields))
        replies = await self.process.ask(number, mti, **fields)
        self.heard.append([(reply["t"], reply["39"], reply.get("38")) for reply in replies])

    async def change(self, what: str, number: int, more: int) -> None:
        words = audit(f"{what}-{len(self.heard)}")
        states = {"freeze": CardState.FROZEN, "unfreeze": CardState.ACTIVE}
        command: Any = CreditAccount(account(number), more, words)
        name = Name("account", account(number))
        if what in states:
            command = ChangeCardState(f"card_{number:02}", states[what], words)
            name = Name("card", command.card_id)
        try:
            await self.process.command(command, name)
        except CommandRefused as refused:
            self.heard.append(refused.kind)


def assembled(disk: Disk, state: ShardState) -> ShardState:
    """A state with some accounts, completed by the snapshots of the others."""
    for name, blob in disk.shelf.blobs.items():
        if name != COMMONS_ID and name not in state.accounts:
            state.load(account_of(blob))
    return state


def played(steps: list[tuple[str, int, int]], accounts_max: int | None) -> tuple[list[Any], Disk, int]:
    disk = Disk()

    async def main() -> tuple[list[Any], Disk, int]:
        async with running(disk, accounts_max) as process:
            await process.open_cards()
            await process.round()
            play = Play(process)
            for step in steps:
                await play.step(*step)
            await process.owner.settle()
            assert process.failures == []
            if accounts_max is not None:
                await process.round()
                assert len(process.resident) <= accounts_max
                live = assembled(disk, process.owner.state)
                assert state_hash(live) == disk.hash()
            return play.heard, disk, process.counters.counts["cache_evictions"]

    return in_mock_time(main)


@settings(max_examples=60)
@given(steps=st.lists(STEPS, min_size=1, max_size=40))
def test_a_tiny_cache_changes_no_answer(steps: list[tuple[str, int, int]]) -> None:
    """Answers, codes, refusals, and every record of the journal: to the hash."""
    whole, whole_disk, _ = played(steps, None)
    tiny, tiny_disk, evictions = played(steps, BOUND)
    assert tiny == whole
    assert tiny_disk.hash() == whole_disk.hash()
    assert problems(tiny_disk.replayed()) == []
    assert evictions >= CARDS - BOUND


def test_a_day_of_everything() -> None:
    """One long sequence that is known to reach every branch: holds that expire off memory, reversals, unknown cards."""
    steps: list[tuple[str, int, int]] = []
    for number in range(CARDS + 1):
        steps += [("0100", number, 2_500), ("0200", number, 1)]
        if number % 7 == 0:
            steps += [("round", 0, 0), ("0400", number, 1), ("freeze", number, 0), ("wait", 3_600, 0)]
    steps += [("round", 0, 0), ("wait", 7 * DAY_S, 0), ("round", 0, 0)]
    steps += [("repeat", number, 0) for number in range(60)]
    steps += [("0100", number, 100_000) for number in range(0, CARDS, 3)]
    whole, whole_disk, _ = played(steps, None)
    tiny, tiny_disk, _ = played(steps, BOUND)
    assert tiny == whole
    assert tiny_disk.hash() == whole_disk.hash()
    codes = {answer[0][1] for answer in tiny if isinstance(answer, list) and answer}
    assert codes >= {"00", "14", "51", "62"}
