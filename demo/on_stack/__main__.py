"""`python -m demo.on_stack`: reads options and tells the story. Exit codes are those of `demo.telling`."""

import argparse
import sys
from pathlib import Path

from demo.on_stack.place import StackPlace
from demo.on_stack.pushes import PushLog
from demo.on_stack.stage import StackStage
from demo.on_stack.story import tell
from demo.programs import Programs
from demo.screen import Screen
from demo.telling import told, within

SECONDS_MIN = 5.0
"""Less holds no freeze and no takeover."""
CARDS_MIN = 20
RATE_MIN_PER_S, RATE_MAX_PER_S = 20.0, 1000.0


def main() -> int:
    options = _options()
    screen = Screen()
    place = StackPlace(options.directory, cards=options.cards, own_names=options.cassandra is not None)
    pushes = PushLog(place.notifications)
    screen.below = pushes.latest

    def story(programs: Programs) -> None:
        stage = StackStage(
            screen, programs, place, rate_per_s=options.rate, seconds=options.seconds, pushes=pushes
        )
        tell(stage, cassandra=options.cassandra, kafka=options.kafka)

    return told(screen, place.directory, story)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo.on_stack", description="The authoriser on a real Cassandra and a real Kafka."
    )
    parser.add_argument(
        "--seconds", type=within(SECONDS_MIN, 600), default=16.0, help="how long the load lasts at least"
    )
    parser.add_argument("--cards", type=within(CARDS_MIN, 100_000), default=150, help="how many are imported")
    parser.add_argument(
        "--rate", type=within(RATE_MIN_PER_S, RATE_MAX_PER_S), default=100.0, help="messages a second"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(".demo-stack"),
        help="made afresh each time (default: .demo-stack)",
    )
    for server in ("cassandra", "kafka"):
        parser.add_argument(
            f"--{server}", metavar="HOST:PORT", help="one that runs already (default: one is started)"
        )
    options = parser.parse_args()
    if (options.cassandra is None) != (options.kafka is None):
        parser.error("--cassandra and --kafka go together: both run already, or both are started")
    options.cards = int(options.cards)
    return options


if __name__ == "__main__":
    sys.exit(main())
