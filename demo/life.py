"""The steps in which one guest's payments live on after their approval: a stay that grows, a limit, the day's clearing.

Owns these steps' words and figures, as `story` owns the others'. How a message travels is `till`, what stands in the
file `dayfile`, what must hold `checks`.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from demo import checks, dayfile
from demo.dayfile import Due
from demo.heard import APPROVED, Heard
from demo.picture import exchange_line
from demo.stage import Stage
from demo.till import Guest, Till

GUEST = Guest(account="guest", pan="4000000000001232", expiry="3012", credit_minor=100_000)
"""Her card is of the test range too; its number stands in the import file and in the clearing file alone."""
NIGHTS_MINOR, THIRD_NIGHT_MINOR, DINNER_MINOR = 30_000, 8_000, 4_150
STAY_MINOR = 41_250
"""What the hotel takes in the end: 32.50 more than it had asked for."""
NOVEL_MINOR, ATLAS_MINOR = 3_490, 2_990
LIMIT_MINOR = 5_000
STAND_IN_CODE = "SI4711"
OVER_LIMIT = "61"
HISTORY_SHOWN = 4


def let_a_guest_stay(stage: Stage, till: Till) -> list[Due]:
    """What the hotel is owed: for the dinner, then for the stay."""
    screen = stage.screen
    screen.step(
        "Let a guest stay at a hotel",
        "A payment grows: the hotel asks for two nights, then for a third, and one hold holds both. What a stand-in "
        "approved in the issuer's place, her dinner, is told later (0120): a fact, and it applies. [P4]",
    )
    stage.place.write_guest(GUEST.account, GUEST.pan, GUEST.expiry, GUEST.credit_minor)
    screen.command(stage.authoriser("import", str(stage.place.guest_cards)))
    screen.good(stage.programs.run(stage.authoriser("import", str(stage.place.guest_cards))).strip())
    request, stay = till.check_in(NIGHTS_MINOR)
    raised = till.raise_it(request, THIRD_NIGHT_MINOR)
    dinner = till.tell_of_stand_in(DINNER_MINOR, STAND_IN_CODE)
    for each in (stay, raised, dinner):
        screen.exchange(exchange_line(each))
        checks.answered_with(each, APPROVED)
    account = stage.ask("account", "show", GUEST.account)["account"]
    holds = [NIGHTS_MINOR + THIRD_NIGHT_MINOR, DINNER_MINOR]
    checks.account_is(account, balance_minor=GUEST.credit_minor, holds_minor=holds)
    screen.good(
        f"two holds: {money(holds[0])} for the stay and {money(holds[1])} for the dinner; "
        f"{money(account['available_minor'])} of her {money(GUEST.credit_minor)} is left"
    )
    # The hotel names the last of the two approval codes that its one payment has.
    return [Due(dinner, DINNER_MINOR), Due(raised, STAY_MINOR)]


def limit_and_explain(stage: Stage, till: Till) -> list[Due]:
    """What the bookshop is owed."""
    screen = stage.screen
    screen.step(
        "Set a limit, and ask why a payment was declined",
        f"The guest allows her card {money(LIMIT_MINOR)} a day on the internet. Each record keeps what the rules saw, "
        "so that a decline can be explained long after.",
    )
    limit = ("--class", "ecommerce", "--window", "day", "--amount", f"{LIMIT_MINOR / 100:.2f}")
    command = stage.authoriser("card", "limit", GUEST.last_four, *limit, "--reason", "asked for in the app")
    screen.command(command)
    stage.programs.run(command)
    novel, atlas = till.buy_online(NOVEL_MINOR), till.buy_online(ATLAS_MINOR)
    for each, code in ((novel, APPROVED), (atlas, OVER_LIMIT)):
        screen.exchange(exchange_line(each))
        checks.answered_with(each, code)
    screen.command(stage.authoriser("explain", atlas.rrn))
    screen.output(stage.say("explain", atlas.rrn))
    rule = checks.declined_by_limit(
        stage.ask("explain", atlas.rrn),
        used_minor=NOVEL_MINOR,
        asked_minor=ATLAS_MINOR,
        limit_minor=LIMIT_MINOR,
    )
    screen.good(
        f"{rule} saw {money(NOVEL_MINOR)} spent, {money(ATLAS_MINOR)} asked for and {money(LIMIT_MINOR)} allowed"
    )
    return [Due(novel, NOVEL_MINOR)]


def clear_the_day(stage: Stage, heard: Iterable[Heard], guests: list[Due]) -> None:
    """`heard` is all that the simulator's network heard; `guests` is what comes last in the file."""
    screen, place = stage.screen, stage.place
    screen.step(
        "Post the day's clearing",
        "The file asks for all that the network heard approved and did not reverse, on the frozen card too; the hotel "
        f"takes {money(STAY_MINOR)} where {money(NIGHTS_MINOR + THIRD_NIGHT_MINOR)} was held. [P3, P5]",
    )
    due = [*dayfile.everything_due(heard), *guests]
    pans = place.pans()
    total = dayfile.write(
        place.clearing,
        due,
        lambda each: pans[each.card_line - 2] if each.card_line else GUEST.pan,
        datetime.now(UTC).date(),
    )
    clear = ("clear", str(place.clearing))
    screen.command(stage.authoriser(*clear))
    with screen.busy("posting"):
        said = stage.say(*clear)
    screen.output(said)
    with screen.busy("posting the same file again"):
        report = stage.ask(*clear)
    checks.cleared_once(report, total, differing_minor=[STAY_MINOR - NIGHTS_MINOR - THIRD_NIGHT_MINOR])
    screen.good(
        f"{total.rows:,} of {total.rows:,} rows met their payments: {money(total.amount_minor)}, to the cent"
    )
    screen.good("the same file again: nothing was posted a second time")
    history = ("account", "history", GUEST.account, "--limit", str(HISTORY_SHOWN))
    screen.command(stage.authoriser(*history))
    screen.output(stage.say(*history))
    account = stage.ask("account", "show", GUEST.account)["account"]
    spent_minor = sum(each.amount_minor for each in guests)
    checks.account_is(account, balance_minor=GUEST.credit_minor - spent_minor, holds_minor=[])
    screen.good(f"the guest has paid {money(spent_minor)}, and nothing of it is held any more")


def money(minor: int) -> str:
    return f"{minor / 100:,.2f} EUR"
