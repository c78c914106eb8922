"""The demo from top to bottom: fourteen steps, each a function that does one thing and says why it matters.

Owns the order and the words. How a step looks is `screen`, how programs run is `stage`, what must hold is `checks`.
Every figure printed is counted in this run, and every tick is a comparison that could have failed.
"""

import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo import checks, life, timeline
from demo.checks import CheckFailed, Event
from demo.heard import FROZEN, Heard, NetworkLog
from demo.life import GUEST
from demo.picture import exchange_line
from demo.programs import Program, installed, wait_for
from demo.stage import START_MAX_S, Load, Stage, now_iso, summary_of, times
from demo.till import Till

STEPS = 14
ECHO_EVERY_S = 2
REPEAT_RATE_PER_S = 1500
COMMANDS_UNDER_LOAD = 8
"""On a slow machine the load lasts longer, for what happens meanwhile: a freeze, a start, a look, twice over."""
UNDER_LOAD_MIN_S = 10.0
"""A machine that stands still for a while does not end the load before the kill."""
CALM_SHARE, FROZEN_SHARE = 0.3, 0.5
"""How far into the load the card is frozen, and the server killed at the earliest."""
USES_WANTED = 9
"""Of the card that is frozen: so busy that it is used again at once, so quiet that its story fits a screen."""
LOAD_ENDS_MAX_S = 1200.0
"""The simulator ends by itself; twice the longest load that can be asked for."""
DARK_S = 0.7
"""The server stays dead that long, so that the network notices."""


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose card is frozen. The number itself stays in the import file and on standard input."""

    account: str
    last_four: str
    card_line: int
    frozen_at: str
    """When the command had returned; ISO 8601, UTC."""


def tell(stage: Stage) -> None:
    """All of it. Raises CheckFailed, ProgramFailed, WorkspaceError."""
    began_s = time.monotonic()
    stage.screen.title(
        "The authoriser, end to end",
        "It answers a card network for a card issuer: ISO 8583 comes in over TCP, each payment is decided, made "
        "durable and answered. Server, commands and messages are the real ones; the network and its shops are "
        "played by a simulator. A mark such as [P1] names one of the promises in README.md.",
        steps=STEPS,
    )
    server = start_the_server(stage)
    command_s = import_the_cards(stage)
    load = let_the_network_pay(stage, command_s)
    customer = freeze_a_card(stage, load)
    server = kill_the_server(stage, load, server, customer)
    shop = end_the_load(stage, load, customer)
    events = compare_with_the_journal(stage, load)
    again, again_heard = repeat_everything(stage, load, events)
    stay_rrn = live_on(stage, load, again_heard)
    replay_the_journal(stage)
    card_id = show_one_customer(stage, customer)
    show_latencies(stage, shop, again)
    stop(stage, server)
    say_what_to_try(stage, customer, card_id, stay_rrn, took_s=time.monotonic() - began_s)


def start_the_server(stage: Stage) -> Program:
    stage.place.make()
    stage.screen.step(
        "Start the server in an empty directory",
        "There is nothing to install: journal and snapshots are SQLite files in the data directory, and the key that "
        "hides card numbers is kept outside it.",
    )
    stage.screen.command(stage.serve())
    server = stage.start_server()
    stage.screen.good(server.output.strip().partition(" is ")[2])
    return server


def import_the_cards(stage: Stage) -> float:
    """How long a command takes on this machine, in seconds."""
    place, screen = stage.place, stage.screen
    screen.step(
        f"Import {place.card_count:,} cards",
        "Made-up customers, with card numbers of a test range. An import is all or nothing: one wrong line, and "
        "nothing has happened.",
    )
    make = [installed("simulator"), "cards", str(place.cards), "--count", str(place.card_count)]
    bring_in = stage.authoriser("import", str(place.cards))
    screen.command(make)
    stage.programs.run(make)
    screen.command(bring_in)
    began_s = time.monotonic()
    screen.good(stage.programs.run(bring_in).strip())
    return time.monotonic() - began_s


def let_the_network_pay(stage: Stage, command_s: float, *, more_s: float = 0.0) -> Load:
    """`more_s`: how much longer the load lasts, for what else happens meanwhile."""
    place, screen = stage.place, stage.screen
    screen.step(
        "Let the network pay",
        "The simulator holds each answer against what ISO 8583 demands of it, and writes down what it heard: from "
        "now on that log is the outside's word against ours. [P1, P2]",
    )
    command = stage.simulator("shop")
    under_load_s = max(COMMANDS_UNDER_LOAD * command_s, UNDER_LOAD_MIN_S)
    seconds = max(stage.seconds, math.ceil(stage.seconds * FROZEN_SHARE + under_load_s))
    seconds += more_s
    command += ["--rate", f"{stage.rate_per_s:g}", "--seconds", f"{seconds:g}", "--reconnect"]
    command += ["--log", str(place.shop_log)]
    screen.command(command)
    log = NetworkLog(place.shop_log)
    load = Load.start(stage, [*command, "--json", "--echo-every", str(ECHO_EVERY_S)], log)
    with screen.live(log) as picture:
        wait_for(
            lambda: load.elapsed_s() > stage.seconds * CALM_SHARE, limit_s=stage.seconds, tick=picture.tick
        )
    screen.good(f"{log.answered:,} answers so far, and the load goes on meanwhile")
    return load


def freeze_a_card(stage: Stage, load: Load) -> Customer:
    screen, log = stage.screen, load.log
    screen.step(
        "Freeze a card that is being used",
        "Once this command returns, no decision overlooks it. The card's number goes in on standard input (-), as "
        "others can read a command line. [P5]",
    )
    chosen = log.busy_card(USES_WANTED)
    if chosen is None:
        raise CheckFailed("no payment was approved, so there is no customer to look at.")
    number, account = stage.place.card(chosen.card_line)
    command = stage.authoriser("card", "freeze", "-", "--reason", "left in a taxi")
    screen.command(command)
    said = stage.programs.run(command, text=number + "\n").strip()
    frozen_at = now_iso()
    screen.good(said)
    customer = Customer(account, chosen.last_four, chosen.card_line, frozen_at)

    def declined() -> list[Heard]:
        mine = (
            each for each in log.exchanges if each.card_line == chosen.card_line and each.new_authorisation
        )
        return [each for each in mine if each.sent_at > frozen_at and each.response_code == FROZEN]

    def seen_or_over() -> bool:
        long_enough = load.elapsed_s() > stage.seconds * FROZEN_SHARE
        return (long_enough and bool(declined())) or not load.program.running

    with screen.live(
        log, only_card=chosen.card_line, remark=f"****{customer.last_four} alone below"
    ) as picture:
        wait_for(seen_or_over, limit_s=LOAD_ENDS_MAX_S, tick=picture.tick)
    for each in (chosen, *declined()[:2]):
        screen.exchange(exchange_line(each))
    count = checks.frozen_card_was_declined(log.exchanges, chosen.card_line, frozen_at)
    if not count:
        raise CheckFailed(
            f"the frozen card ****{customer.last_four} was not used again, so no decline was seen."
        )
    screen.good(f"used {times(count, 'time')} since: {count:,} of {count:,} declined with code 62")
    return customer


def kill_the_server(stage: Stage, load: Load, server: Program, customer: Customer) -> Program:
    screen = stage.screen
    screen.step(
        "Kill the server in the middle of it",
        "SIGKILL leaves no time to save anything. Nothing needs saving: an answer leaves only after its decision is "
        "on disk. [P1]",
    )
    if not load.program.running:
        raise CheckFailed("the load was over before the server could be killed under it.")
    screen.command(["kill", "-KILL", str(server.pid)])
    code = server.stop(signal.SIGKILL)
    killed_s = time.monotonic()
    if code != -signal.SIGKILL:
        raise CheckFailed(f"the server was to die of signal 9 and ended with {code} instead.")
    screen.happened(f"process {server.pid} is dead, and the network's connections with it")
    with screen.live(load.log, remark="the server is dead") as picture:
        wait_for(lambda: False, limit_s=DARK_S, tick=picture.tick)
        picture.remark = "the server is starting"
        server = stage.start_server(picture.tick)
    took_s = time.monotonic() - killed_s
    screen.command(stage.serve())
    screen.good(f"ready again {took_s:.1f} s after the kill, {DARK_S:g} s of which it was left dead")
    state = stage.ask("account", "show", customer.account)["account"]["cards"][0]["state"]
    if state != "frozen":
        raise CheckFailed(
            f"card ****{customer.last_four} was frozen before the crash and is {state} after it."
        )
    screen.good(f"card ****{customer.last_four} is still frozen [P5]")
    return server


def end_the_load(stage: Stage, load: Load, customer: Customer) -> Any:
    """The simulator's own summary of the run."""
    screen, log = stage.screen, load.log
    with screen.live(log, remark="the server is back") as picture:
        wait_for(lambda: not load.program.running, limit_s=LOAD_ENDS_MAX_S, tick=picture.tick)
    shop = summary_of(load.program)
    log.read()
    screen.gap()
    screen.bars(log.bars(), "answers in each half second; the gap is the crash")
    screen.good(f"{shop['answered']:,} answers, every one as ISO 8583 wants it")
    screen.note(
        f"{times(shop['unanswered'], 'request')} had no answer when the server died; {shop['unsent']:,} more could "
        "not be sent while it was dead"
    )
    count = checks.frozen_card_was_declined(log.exchanges, customer.card_line, customer.frozen_at)
    screen.good(f"the frozen card, before the crash and after: {count:,} of {count:,} declined with 62")
    return shop


def compare_with_the_journal(stage: Stage, load: Load) -> list[Event]:
    screen = stage.screen
    screen.step(
        "Hold what the network heard against the journal",
        "An approval that was heard and then forgotten is money that nobody accounts for. So each one in the "
        "simulator's log must be in the journal, once. [P1]",
    )
    screen.command(stage.authoriser("events"))
    with screen.busy("comparing"):
        events = stage.events()
        found = checks.everything_heard_is_in_the_journal(load.log.exchanges, events)
    screen.good(
        f"{found.approvals:,} of {found.approvals:,} approvals heard are in the journal, code by code"
    )
    screen.good(f"{found.others:,} of {found.others:,} other answers too: declines, card checks, reversals")
    if found.unheard_approvals:
        screen.note(
            f"{times(found.unheard_approvals, 'approval')} more in the journal did not reach the network: after a "
            "crash no server can know that, so the money stays held until the network says"
        )
    return events


def repeat_everything(stage: Stage, load: Load, events: list[Event]) -> tuple[Any, list[Heard]]:
    """The simulator's summary of the repeats, and what it heard."""
    screen, place = stage.screen, stage.place
    screen.step(
        "Send everything again",
        "A network that is unsure repeats itself (0101, 0401, 0421). It must get the answer first given, and no "
        "money may move twice. [P3]",
    )
    command = [*stage.simulator("repeat", str(place.shop_log)), "--rate", str(REPEAT_RATE_PER_S)]
    screen.command(command)
    log = NetworkLog(place.repeat_log)
    program = stage.programs.start("repeats", [*command, "--log", str(place.repeat_log), "--json"])
    limit_s = START_MAX_S + 2 * len(load.log.exchanges) / REPEAT_RATE_PER_S
    with screen.live(log) as picture:
        wait_for(lambda: not program.running, limit_s=limit_s, tick=picture.tick)
    again = summary_of(program)
    log.read()
    repeated = checks.repeats_get_the_first_answer(load.log.exchanges, log.exchanges)
    screen.good(
        f"{repeated.same:,} of {repeated.heard_before:,} repeats got the same answer, to the approval code"
    )
    checks.repeats_moved_no_money(load.log.exchanges, stage.events(events[-1]["record"] + 1))
    screen.good("none of them was decided a second time")
    if repeated.first_answers:
        screen.note(
            f"{times(repeated.first_answers, 'request')} whose answer the crash swallowed have one now"
        )
    return again, log.exchanges


def live_on(stage: Stage, load: Load, again: list[Heard]) -> str:
    """Three steps of one guest, whose payments are cleared with everybody's; the RRN of her stay."""
    with Till(stage.place.port, GUEST) as till:
        hotel = life.let_a_guest_stay(stage, till)
        books = life.limit_and_explain(stage, till)
    life.clear_the_day(stage, [*load.log.exchanges, *again], [*books, *hotel])
    return hotel[-1].exchange.rrn


def replay_the_journal(stage: Stage) -> None:
    screen, place = stage.screen, stage.place
    screen.step(
        "Replay the journal from nothing",
        "The journal is the whole truth. Replayed, it must give the state that the snapshots hold, to the hash, and "
        "that state must balance to zero. [P4, P10]",
    )
    screen.command(stage.authoriser("verify"))
    with screen.busy("replaying"):
        report = stage.ask("verify")
    if not report["ok"]:
        raise CheckFailed(f"verify finds: {report['problems'][0]}")
    counts = (f"{report[what]:,} {what}" for what in ("records", "accounts", "holds"))
    screen.good(f"every check passed: {', '.join(counts)}")
    screen.note(f"state {report['state_hash']}")
    searched, found = place.files_with_card_numbers(GUEST.pan)
    if found:
        raise CheckFailed(f"a card number stands in {', '.join(map(str, found))}. [P8]")
    screen.good(f"no card number in the {searched} files written here: journal, logs, events [P8]")


def show_one_customer(stage: Stage, customer: Customer) -> str:
    """The card's id, by which commands can name it."""
    screen = stage.screen
    screen.step(
        "Read one customer's story",
        f"The events of account {customer.account}, whose card was frozen: what notifications, statements and "
        "complaints are made from. Amounts are in EUR.",
    )
    story = timeline.timeline_of(customer.account, stage.events(), stage.CRASH)
    screen.statement(timeline.shortened(story.rows))
    account = stage.ask("account", "show", customer.account)["account"]
    timeline.agrees_with_the_server(story, account)
    screen.good("held and available, added up here from events, are what the server says")
    return str(account["cards"][0]["card_id"])


def show_latencies(stage: Stage, shop: Any, again: Any) -> None:
    screen = stage.screen
    screen.step(
        "See how long answers took",
        "From when a request was due to its answer, the wait for the disk included; a request that had to wait for "
        "another counts in full. [P2]",
    )
    rows = []
    for name, summary in (
        (f"payments, {stage.rate_per_s:g} a second", shop),
        (f"repeats, {REPEAT_RATE_PER_S:,} a second", again),
    ):
        latency = summary["latency"]
        rows.append((name, [latency[f"{each}_ms"] for each in ("p50", "p90", "p99", "p999", "max")]))
    screen.latencies(rows)
    cores = len(os.sched_getaffinity(0))
    screen.note(
        f"server, network, commands and this demo share {times(cores, 'core')}; for the server's own figures: "
        f"{installed('python')} -m benchmarks.server"
    )


def stop(stage: Stage, server: Program) -> None:
    screen = stage.screen
    screen.step(
        "Stop in order",
        "SIGTERM lets the server finish: it reads no more, answers what it has, and closes the journal.",
    )
    screen.command(["kill", "-TERM", str(server.pid)])
    code = server.stop(signal.SIGTERM)
    if code != 0:
        raise CheckFailed(
            f"the server was to drain and exit with 0; it ended with {code}.{server.last_words()}"
        )
    screen.good("the server ended with exit code 0")
    left = stage.programs.running()
    if left:
        raise CheckFailed(f"everything was to be stopped by now, and {', '.join(left)} runs on.")


def say_what_to_try(stage: Stage, customer: Customer, card_id: str, stay_rrn: str, *, took_s: float) -> None:
    screen = stage.screen
    screen.end(f"Every check held, in {took_s:.0f} s, and nothing is left running.")
    screen.say(f"The data are still in {stage.place.directory}. What you could try next:")
    for what, *commands in _suggestions(stage, customer, card_id, stay_rrn):
        screen.gap()
        screen.say(str(what))
        for command in commands:
            screen.command(command)
    screen.gap()
    screen.say("docs/ARCHITECTURE.md walks through the code in the order that a message takes.", "dim")


def _suggestions(stage: Stage, customer: Customer, card_id: str, stay_rrn: str) -> Iterator[tuple[Any, ...]]:
    shop = [*stage.simulator("shop"), "--rate", "200", "--seconds", "60"]
    yield "The server again, on these data:", stage.serve()
    yield "In a second terminal the network, with the simulator's own live table:", shop
    unfreeze = stage.authoriser("card", "unfreeze", card_id, "--reason", "found again")
    yield (
        "In a third, the card is found again; then look at its account:",
        unfreeze,
        stage.authoriser("account", "show", customer.account),
    )
    history = stage.authoriser("account", "history", GUEST.account)
    match = stage.authoriser("explain", "--match", stay_rrn)
    yield "The guest's history, and why the clearing found her stay; the journal is enough:", history, match
    status, events = stage.authoriser("status"), stage.authoriser("events", "--follow")
    yield "What the server counts, and its events as they happen:", status, events
