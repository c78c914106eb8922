"""`python -m drills.outside`: judges a drill by what can be seen from the outside, once all is quiet.

Reads what clients heard (a file), what is in Cassandra and what a read-committed consumer gets from Kafka, and says
which promises were not kept. Exit codes: 0 all were kept, 1 some were not, 2 there was nothing to judge by.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from authoriser.cassandra.session import CassandraConfig
from authoriser.cassandra_access import cassandra_config
from authoriser.config import ConfigError, load_config
from authoriser.config_checks import WrongValueError, parse_address
from authoriser.kafka.settings import KafkaConfig
from authoriser.passwords import PasswordError
from drills import checks, money
from drills.evidence import EvidenceError, Exchange, Fault, Shown, read_exchanges, read_shown
from drills.facts import fact_of_event
from drills.log import read_log
from drills.reading import read_events, read_file, read_slots

KEPT, BROKEN, NOTHING = 0, 1, 2
FAULTS_SHOWN_MAX = 50
PATIENCE_S = 60.0


class Judgement(Struct, frozen=True):
    """How much there was to judge, and what was wrong with it. `events` None: Kafka was not asked."""

    messages: int
    answered: int
    approvals: int
    batches: int
    epochs: int
    records: int
    events: int | None
    accounts: int
    faults: list[Fault]


def judge(
    *,
    exchanges: Sequence[Exchange],
    slots: Sequence[tuple[int, bytes]],
    events: Sequence[bytes | None] | None,
    shown: Sequence[Shown] = (),
    shard: int = 0,
    others: bool = False,
) -> Judgement:
    """Hold everything against everything. `others`: clients that are not in `exchanges` used the accounts too.

    Raises EvidenceError for an event that is none.
    """
    log, faults = read_log(slots, shard=shard)
    faults += checks.answers_that_changed(exchanges)
    faults += checks.answers_and_log(exchanges, log, others=others)
    accounts, wrong = money.overspent(log)
    faults += wrong + money.shown_money(accounts, shown)
    if not others:
        faults += money.heard_money(exchanges, accounts)
    if events is not None:
        relayed = [fact_of_event(value, shard=shard) for value in events]
        faults += checks.log_and_kafka(log, relayed)
        faults += checks.answers_and_kafka(exchanges, relayed)
        faults += money.same_money(accounts, money.overspent(relayed)[0])
    return Judgement(
        messages=len(exchanges),
        answered=sum(bool(exchange.heard) for exchange in exchanges),
        approvals=sum(exchange.mti in checks.ASKS and checks.approved(exchange) for exchange in exchanges),
        batches=len(slots),
        epochs=sum(fact.kind == "epoch.started" for fact in log),
        records=len(log),
        events=None if events is None else len(events),
        accounts=len(accounts),
        faults=faults,
    )


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        log, kafka = _places(options)
        exchanges = read_exchanges(options.answers)
        shown = read_shown(options.balances) if options.balances is not None else []
        read = read_file(log, options.shard) if isinstance(log, Path) else read_slots(log, options.shard)
        slots = list(read)
        records = len(read_log(slots, shard=options.shard)[0])
        events = None
        if kafka is not None:
            events = read_events(kafka, options.shard, wanted=records, patience_s=options.patience_s)
        judgement = judge(
            exchanges=exchanges,
            slots=slots,
            events=events,
            shown=shown,
            shard=options.shard,
            others=options.others,
        )
    except EvidenceError as error:
        print(f"outside: {error}", file=sys.stderr)
        return NOTHING
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(judgement)).decode())
    else:
        _show(judgement)
    return BROKEN if judgement.faults else KEPT


def _places(options: argparse.Namespace) -> tuple[CassandraConfig | Path, KafkaConfig | None]:
    """Where the log is, a data directory where it is embedded, and where Kafka is. Raises EvidenceError."""
    try:
        if options.config is not None:
            config = load_config(options.config)
            log = config.data_dir if config.cassandra is None else cassandra_config(config.cassandra)
            return log, config.kafka
        points = [parse_address(text) for text in options.contact or ["127.0.0.1:9042"]]
        brokers = tuple(parse_address(text) for text in options.bootstrap)
    except WrongValueError as wrong:
        raise EvidenceError(f"--contact or --bootstrap: {wrong}") from None
    except (ConfigError, PasswordError) as error:
        raise EvidenceError(str(error)) from None
    kafka = KafkaConfig(bootstrap=brokers, topic=options.topic) if brokers else None
    if options.data is not None:
        return options.data, kafka
    contact_points = tuple((point.host, point.port) for point in points)
    return CassandraConfig(contact_points, options.keyspace, options.data_centre), kafka


def _show(judgement: Judgement) -> None:
    relayed = "Kafka not asked" if judgement.events is None else f"{judgement.events} events in Kafka"
    print(
        f"{judgement.messages} messages, {judgement.answered} answered, {judgement.approvals} approvals; "
        f"{judgement.records} records in {judgement.batches} batches of {judgement.epochs} epochs; {relayed}; "
        f"{judgement.accounts} accounts"
    )
    for fault in judgement.faults[:FAULTS_SHOWN_MAX]:
        print(f"{fault.promise} {fault.kind}: {fault.text}")
    if len(judgement.faults) > FAULTS_SHOWN_MAX:
        print(f"and {len(judgement.faults) - FAULTS_SHOWN_MAX} more; --json has them all")
    if not judgement.faults:
        print("every promise was kept")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m drills.outside",
        description="Judges a drill from the outside: what clients heard, what is in Cassandra, what Kafka gives.",
    )
    parser.add_argument(
        "--answers",
        type=Path,
        required=True,
        help="what clients sent and heard, a JSON object a line (docs/drills.md)",
    )
    parser.add_argument("--balances", type=Path, help="what the authoriser shows of accounts, likewise")
    parser.add_argument("--config", type=Path, help="the authoriser's file: says where the log and Kafka are")
    parser.add_argument("--data", type=Path, help="the data directory of an embedded journal")
    parser.add_argument(
        "--contact", action="append", metavar="HOST:PORT", help="a Cassandra node; may be repeated"
    )
    parser.add_argument("--keyspace", default="authoriser")
    parser.add_argument("--data-centre", default="", help="the shard's home, where there are several")
    parser.add_argument(
        "--bootstrap", action="append", default=[], metavar="HOST:PORT", help="a broker; may be repeated"
    )
    parser.add_argument("--topic", default="authoriser.events")
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--others", action="store_true", help="other clients used the accounts meanwhile")
    parser.add_argument(
        "--patience-s",
        type=float,
        default=PATIENCE_S,
        help="how long events may take to arrive (default: 60)",
    )
    parser.add_argument("--json", action="store_true", help="the judgement as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
