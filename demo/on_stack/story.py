"""The demo on the stack from top to bottom: fifteen steps, each a function, many of them those of `demo.story`.

Owns the order and the words. Every figure printed is counted in this run, and every tick is a comparison that could
have failed.
"""

import signal
import time
from collections.abc import Iterator
from typing import Any

from demo import story
from demo.checks import CheckFailed, Event
from demo.on_stack import checks
from demo.on_stack.place import LEASE_MS, Server
from demo.on_stack.pushes import SHOWN, push_line
from demo.on_stack.stage import StackStage
from demo.programs import Program, installed, wait_for
from demo.stage import START_MAX_S, Load
from demo.story import Customer

STEPS = 15
READY, FOLLOWS = " is ready: ", " follows shard "
FEED_SHOWN = 4
TAKEOVER_S = LEASE_MS / 1000 + 4.0
"""What the load lasts longer: a lease, and a start."""
DARK_S = 0.7
"""The killed server stays dead that long after the other leads, before it is started again."""
NEVER = "an event of the last payments did not come out of Kafka"


def tell(stage: StackStage, *, cassandra: str | None, kafka: str | None) -> None:
    """All of it, on these servers (HOST:PORT) or its own. Raises CheckFailed, ProgramFailed, WorkspaceError."""
    began_s = time.monotonic()
    stage.screen.title(
        "The authoriser on a real Cassandra and a real Kafka",
        "Two servers share one shard: one decides, the other follows and takes over. The journal is in Apache "
        "Cassandra, the events go to Apache Kafka, and two programs read them there. A mark such as [P1] names one of "
        "the promises in README.md.",
        steps=STEPS,
    )
    stack = start_the_stack(stage, cassandra, kafka)
    make_the_tables(stage)
    leader, follower = start_two_servers(stage)
    command_s = story.import_the_cards(stage)
    readers = start_the_readers(stage)
    load = let_the_network_pay(stage, command_s)
    customer = freeze_a_card(stage, load)
    leader, follower = kill_the_leader(stage, load, leader, follower, customer)
    shop = story.end_the_load(stage, load, customer)
    events = story.compare_with_the_journal(stage, load)
    again, _heard = story.repeat_everything(stage, load, events)
    read_what_came_out(stage, customer)
    story.replay_the_journal(stage)
    story.show_one_customer(stage, customer)
    story.show_latencies(stage, shop, again)
    stop(stage, [*readers, follower, leader], stack)
    say_what_to_try(stage, customer, own_stack=stack is not None, took_s=time.monotonic() - began_s)


def start_the_stack(stage: StackStage, cassandra: str | None, kafka: str | None) -> Program | None:
    """None where somebody else's servers are used."""
    screen, place = stage.screen, stage.place
    screen.step(
        "Start Cassandra and Kafka",
        "Apache Cassandra 5 with a commit log that is synced before it acknowledges, and Apache Kafka 4, each a "
        "process of its own. Maven fetches them the first time: 110 MB.",
    )
    if (place.stack / "state.json").exists():
        stage.programs.run(stage.stack("down"))
    place.make()
    if cassandra is not None and kafka is not None:
        place.configure(cassandra, kafka)
        screen.good(f"Cassandra on {cassandra} and Kafka on {kafka} run already")
        return None
    command = stage.stack("run")
    screen.command(command)
    began_s = time.monotonic()
    with screen.busy("starting") as say:
        stack = stage.start_stack(say)
    addresses = stage.addresses(stack)
    place.configure(addresses["cassandra"], addresses["kafka"])
    took_s = time.monotonic() - began_s
    screen.good(
        f"Cassandra answers on {place.cassandra}, Kafka takes records on {place.kafka}, after {took_s:.0f} s"
    )
    return stack


def make_the_tables(stage: StackStage) -> None:
    screen = stage.screen
    screen.step(
        "Make the tables",
        "One table is the journal: a row a batch, written by lightweight transaction alone, so that of all who want a "
        "slot one gets it. [P7]",
    )
    command = [installed("authoriser"), "schema", "create", "--config", str(stage.place.config)]
    command += ["--replicas", "1"]
    screen.command(command)
    with screen.busy("creating"):
        said = stage.programs.run(command)
    screen.good(said.strip().splitlines()[-1])


def start_two_servers(stage: StackStage) -> tuple[Program, Program]:
    """The one that decides, and the one that follows."""
    screen, place = stage.screen, stage.place
    screen.step(
        "Start two servers on one shard",
        "The first finds an empty log and leads. The second reads the log along, with the same state in memory, and "
        "listens to nobody.",
    )
    started = []
    for server, said in ((place.first, READY), (place.second, FOLLOWS)):
        screen.command([installed("authoriser"), "serve", "--config", str(server.config)])
        with screen.busy("starting"):
            program = stage.start(server, said)
        screen.good(program.output.strip().splitlines()[-1])
        role = stage.status(server)["role"]
        if role != ("leader" if server is place.first else "follower"):
            raise CheckFailed(f"the {server.name} server says that it is {role}.")
        started.append(program)
    return started[0], started[1]


def start_the_readers(stage: StackStage) -> list[Program]:
    screen = stage.screen
    screen.step(
        "Read the events out of Kafka",
        "One program makes a push text of each decision, another keeps each account's list in Cassandra tables of its "
        "own. Neither knows a server: they know the topic.",
    )
    readers = []
    for name, command in (("notifications", stage.notifications()), ("feed", stage.feed_writer())):
        screen.command(command)
        readers.append(stage.programs.start(name, command))

    def relaying() -> bool:
        relay = stage.status(stage.place.first)["relay"]
        return relay is not None and relay["state"] == "relaying" and relay["lag"] == 0

    with screen.busy("connecting"):
        if not wait_for(relaying, limit_s=START_MAX_S):
            raise CheckFailed("the relay did not bring the events so far to Kafka.")
    screen.good("the leader's relay has brought all events so far to Kafka, each once, in order [P6]")
    return readers


def let_the_network_pay(stage: StackStage, command_s: float) -> Load:
    load = story.let_the_network_pay(stage, command_s, more_s=TAKEOVER_S)
    came = stage.until_caught_up(lambda: len(stage.pushes.pushes) >= SHOWN)
    if not came:
        raise CheckFailed("customers pay, and no push text came out of Kafka.")
    for push in stage.pushes.pushes[-SHOWN:]:
        stage.screen.exchange(push_line(push))
    stage.screen.good(f"{len(stage.pushes.pushes):,} push texts so far, as they come out of Kafka")
    return load


def freeze_a_card(stage: StackStage, load: Load) -> Customer:
    customer = story.freeze_a_card(stage, load)

    def told() -> list[Any]:
        return [
            push
            for push in stage.pushes.pushes
            if push.account == customer.account and push.reason == "card_frozen"
        ]

    if not stage.until_caught_up(lambda: bool(told())):
        raise CheckFailed(f"customer {customer.account} was declined and got no push text.")
    stage.screen.exchange(push_line(told()[0]))
    return customer


def kill_the_leader(
    stage: StackStage, load: Load, leader: Program, follower: Program, customer: Customer
) -> tuple[Program, Program]:
    """Who decides afterwards, and who follows."""
    screen, place = stage.screen, stage.place
    screen.step(
        "Kill the leader in the middle of it",
        "The log is the lease: when it has been silent for so long, the follower puts a record of its own into the "
        "first empty slot. It has that slot, or somebody else has: nobody is asked, and no clock is trusted. [P1, P7]",
    )
    if not load.program.running:
        raise CheckFailed("the load was over before the leader could be killed under it.")
    screen.command(["kill", "-KILL", str(leader.pid)])
    code = leader.stop(signal.SIGKILL)
    killed_s = time.monotonic()
    if code != -signal.SIGKILL:
        raise CheckFailed(f"the leader was to die of signal 9 and ended with {code} instead.")
    screen.happened(f"process {leader.pid} is dead, its relay and the network's connections with it")
    with screen.live(load.log, remark="the log is silent") as picture:
        leads = wait_for(lambda: READY in follower.output, limit_s=START_MAX_S, tick=picture.tick)
        took_s = time.monotonic() - killed_s
        if not leads:
            raise CheckFailed(f"nobody took over within {START_MAX_S:g} s.{follower.last_words()}")
        place.lead(place.second)
        answered = load.log.answered
        picture.remark = "the other server decides"
        again = wait_for(
            lambda: load.log.answered > answered or not load.program.running,
            limit_s=START_MAX_S,
            tick=picture.tick,
        )
        again = again and load.log.answered > answered
        wait_for(lambda: False, limit_s=DARK_S, tick=picture.tick)
    if not again:
        over = "" if load.program.running else " The load was over by then; --seconds makes it longer."
        raise CheckFailed(f"the new leader answered nothing.{over}")
    screen.good(
        f"the other server leads {took_s:.1f} s after the kill, the lease of {LEASE_MS / 1000:g} s among them, and "
        "payments go on"
    )
    state = stage.ask("account", "show", customer.account)["account"]["cards"][0]["state"]
    if state != "frozen":
        raise CheckFailed(
            f"card ****{customer.last_four} was frozen by the old leader; the new one says {state}."
        )
    screen.good(f"card ****{customer.last_four} is still frozen [P5]")
    return follower, _come_back(stage, load, place.first)


def _come_back(stage: StackStage, load: Load, server: Server) -> Program:
    screen = stage.screen
    screen.command([installed("authoriser"), "serve", "--config", str(server.config)])
    with screen.live(load.log, remark="the killed one comes back") as picture:
        program = stage.start(server, FOLLOWS, picture.tick)
    screen.good("the killed server is back, and follows")
    return program


def read_what_came_out(stage: StackStage, customer: Customer) -> None:
    screen = stage.screen
    screen.step(
        "Hold what came out of Kafka against the journal",
        "The old leader's relay died in mid-sentence and the new leader's went on at the position that Kafka had. "
        "What customers read must be what was decided: each payment once. [P6]",
    )
    events = stage.events()
    expected = set(checks.paid(events))

    def all_told() -> bool:
        return expected <= {push.id for push in stage.pushes.pushes}

    with screen.busy("waiting for the last ones"):
        if not stage.until_caught_up(all_told):
            raise CheckFailed(f"{NEVER}, as a push text.")
    count = checks.each_has_one_push(events, stage.pushes.pushes)
    screen.good(
        f"{len(expected):,} of {len(expected):,} payments were told to their customers, once each; with declines "
        f"and reversals {count:,} push texts"
    )
    screen.command(stage.feed("--show", customer.account))
    wanted = checks.wanted_in_feed(customer.account, events)
    rows: list[Event] = []

    def all_listed() -> bool:
        rows[:] = stage.feed_of(customer.account)
        return set(wanted) <= {row["event_id"] for row in rows}

    with screen.busy("waiting for the last ones"):
        if not stage.until_caught_up(all_listed):
            raise CheckFailed(f"{NEVER}, in the feed of account {customer.account}.")
    checks.feed_agrees(customer.account, events, rows)
    screen.output("\n".join(map(_row, rows[:FEED_SHOWN])))
    screen.good(f"the feed of account {customer.account} has all of its {len(rows):,} rows, the latest first")


def _row(row: Event) -> str:
    amount = f"{row['amount_minor'] / 100:>9,.2f} {row['currency']}" if "amount_minor" in row else " " * 13
    where = ", ".join(filter(None, (row.get("merchant"), row.get("city"))))
    return f"{row['at'][11:19]}  {row['type'].rpartition('.')[2]:<10}{amount}  {where}"


def stop(stage: StackStage, programs: list[Program], stack: Program | None) -> None:
    screen = stage.screen
    screen.step(
        "Stop in order",
        "SIGTERM lets each finish: readers keep their offsets, the leader ends its epoch in the log, the stack stops "
        "its servers.",
    )
    for program in programs:
        screen.command(["kill", "-TERM", str(program.pid)])
        code = program.stop(signal.SIGTERM)
        if code != 0:
            raise CheckFailed(
                f"{program.name} was to end with 0; it ended with {code}.{program.last_words()}"
            )
    screen.good("servers and readers ended with exit code 0")
    if stack is not None:
        screen.command(["kill", "-TERM", str(stack.pid)])
        with screen.busy("Cassandra flushes"):
            code = stack.stop(signal.SIGTERM)
        if code != 0:
            raise CheckFailed(f"the stack was to end with 0; it ended with {code}.{stack.last_words()}")
        screen.good("Cassandra and Kafka are stopped")
    left = stage.programs.running()
    if left:
        raise CheckFailed(f"everything was to be stopped by now, and {', '.join(left)} runs on.")


def say_what_to_try(stage: StackStage, customer: Customer, *, own_stack: bool, took_s: float) -> None:
    screen = stage.screen
    screen.end(f"Every check held, in {took_s:.0f} s, and nothing is left running.")
    screen.say(f"The data are still in {stage.place.directory}. What you could try next:")
    for what, *commands in _suggestions(stage, customer, own_stack=own_stack):
        screen.gap()
        screen.say(str(what))
        for command in commands:
            screen.command(command)
    screen.gap()
    screen.say("docs/cassandra.md and docs/kafka.md are the pages for operators.", "dim")


def _suggestions(stage: StackStage, customer: Customer, *, own_stack: bool) -> Iterator[tuple[Any, ...]]:
    if own_stack:
        yield "Cassandra and Kafka again, on these data, in a terminal of their own:", stage.stack("run")
    yield (
        "The journal needs no server to be read:",
        stage.authoriser("verify"),
        stage.authoriser("account", "history", customer.account),
    )
    serve = [installed("authoriser"), "serve", "--config", str(stage.place.second.config)]
    yield (
        "A server, and in another terminal its events as they happen:",
        serve,
        stage.authoriser("events", "--follow"),
    )
