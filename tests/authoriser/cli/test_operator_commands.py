"""authoriser card, account, hold, policy, proposals, exceptions and audit, beside the real methods."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authoriser.admin.rpc import RpcError
from authoriser.admin.testing_issuer import Issuer, issuing
from authoriser.journal.sqlite import SqliteJournal
from authoriser.ledger.commands import NoteException
from authoriser.places import SHARD, shard_directory
from rules import read_policy

PAN, ANOTHER_PAN = "4000000000001232", "4000000000000002"
ANOTHER_UID = 4_000
Run = Callable[..., Any]


@pytest.fixture
def issuer(data: Path) -> Iterator[Issuer]:
    """Alice's account with 500.00 EUR and a card ending in 1232; more than 100.00 wants a second person."""
    journal = SqliteJournal(shard_directory(data, SHARD))
    with issuing(data / "admin.sock", journal=journal, second_person_over_minor=10_000) as issuer:
        issuer.ask("account.open", account="alice", currency="EUR")
        for _ in range(5):
            issuer.ask("account.credit", account="alice", amount_minor=10_000)
        issuer.ask("card.issue", account="alice", pan=PAN, expiry="4912")
        yield issuer


@pytest.fixture
def hold(issuer: Issuer) -> str:
    """The number of a hold of 15.00."""
    issuer.pay(PAN, 1_500)
    return str(issuer.ask("account.show", account="alice").account.holds[0].hold_id)


def lines(ran: Any) -> list[str]:
    """What was printed, without the ends of lines; nothing may have gone wrong."""
    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines()), default=0) <= 80
    return [line.rstrip() for line in ran.out.splitlines() if line.strip()]


def words(ran: Any) -> list[list[str]]:
    return [line.split() for line in lines(ran)]


# ---- cards


@pytest.mark.parametrize(
    ("command", "done"),
    [
        ("lost", "is lost"),
        ("stolen", "is stolen"),
        ("close", "is closed"),
        ("activate", "was active already"),
    ],
)
def test_states(run: Run, issuer: Issuer, command: str, done: str) -> None:
    (line,) = lines(run("card", command, "1232", "--reason", "customer rang"))
    assert line.startswith(f"card ****1232 {done}: card_")


def test_replace_reads_the_new_number(run: Run, issuer: Issuer) -> None:
    """The old one is named, and when it ends."""
    said = lines(
        run("card", "replace", "1232", "--expiry", "5001", "--overlap-days", "30", stdin=f"{ANOTHER_PAN}\n")
    )
    assert said[0].startswith("card ****0002 replaces ****1232: card_")
    assert said[1].startswith("the old one ends at 20")
    shown = words(run("account", "show", "alice"))
    assert [row[1:5] for row in shown if row[0].startswith("card_")] == [
        ["****1232", "2049-12", "active", "until"],
        ["****0002", "2050-01", "active"],
    ]


def test_replace_takes_one_number_only(run: Run, issuer: Issuer) -> None:
    """Standard input cannot have two."""
    ran = run("card", "replace", "-", "--expiry", "5001", stdin=ANOTHER_PAN)
    text = "CARD should be a card id or the last four digits: standard input has the new card's number"
    assert ran == (2, "", f"authoriser: {text}\n")


def test_controls_as_they_come(run: Run, issuer: Issuer) -> None:
    """Nothing, a limit, switches and lists, and nothing again."""
    nothing = "card ****1232 has nothing of its own; its programme's word holds"
    assert lines(run("card", "controls", "1232")) == [nothing]
    until = "2099-12-01T00:00"
    run("card", "limit", "1232", "--class", "cash", "--window", "day", "--amount", "200.00", "--until", until)
    run("card", "limit", "1232", "--window", "week", "--count", "20")
    run("card", "lists", "1232", "--mcc-block", "7995, 7801", "--country-allow", "none")
    said = lines(run("card", "switch", "1232", "--ecommerce", "off", "--cash", "on"))
    assert said[:5] == [
        "the controls of card ****1232 are changed",
        "ecommerce       off",
        "cash            on",
        "no categories   7995, 7801",
        "only countries  (no list)",
    ]
    rows = [line.split() for line in said[-2:]]
    assert rows == [
        ["cash", "day", "200.00", "EUR", "0.00", "EUR", "2099-12-01", "00:00"],
        ["all", "spending", "week", "20", "0"],
    ]
    run("card", "limit", "1232", "--window", "week", "--remove")
    run("card", "switch", "1232", "--cash", "default")
    shown = json.loads(run("card", "controls", "1232", "--json").out)["controls"]
    assert (shown["ecommerce"], shown["cash"], len(shown["limits"])) == (False, None, 1)
    assert lines(run("card", "reset-controls", "1232")) == [
        "the controls of card ****1232 are changed",
        nothing,
    ]
    assert lines(run("card", "reset-controls", "1232"))[0] == (
        "the controls of card ****1232 were so already"
    )


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("limit", "1232", "--window", "day"),
         "give --amount or --count, or --remove to take the limit away"),
        (("limit", "1232", "--window", "day", "--remove", "--count", "1"),
         "--remove takes the limit away, so it stands without --amount, --count and --until"),
        (("limit", "1232", "--window", "day", "--amount", "200"),
         "--amount: an amount in EUR is written with all its 2 decimals, as 1234.00"),
        (("limit", "1232", "--window", "day", "--count", "1", "--class", "Cash"),
         'limits[0].spending should be a class of the policy in small letters, as "cash", or "" for all spending'),
        (("switch", "1232"), "give at least one of --ecommerce, --contactless, --cash and --magstripe"),
        (("lists", "1232"), "give at least one list; --help names them"),
        (("lists", "1232", "--mcc-block", "79"), "mcc_block[0] should be a merchant category of four digits"),
        (("lists", "1232", "--country-allow", "pt"),
         'country_allow[0] should be a country of two letters (ISO 3166), as "PT"'),
    ],
)  # fmt: skip
def test_controls_asked_wrongly(run: Run, issuer: Issuer, args: tuple[str, ...], problem: str) -> None:
    """Exit code 2, and what would be right."""
    assert run("card", *args) == (2, "", f"authoriser: {problem}\n")


# ---- money


def test_adjust(run: Run, issuer: Issuer) -> None:
    """Up and down, by words and not by a sign that a shell could take for an option."""
    assert lines(run("account", "adjust", "alice", "12.50")) == ["12.50 EUR added; available now 512.50 EUR"]
    assert lines(run("account", "adjust", "alice", "--take", "100.00")) == [
        "100.00 EUR taken; available now 412.50 EUR"
    ]


@pytest.mark.parametrize("args", [(), ("1.00", "--take", "1.00")])
def test_adjust_wants_one_amount(run: Run, issuer: Issuer, args: tuple[str, ...]) -> None:
    ran = run("account", "adjust", "alice", *args)
    assert ran == (2, "", "authoriser: give either AMOUNT, which is added, or --take AMOUNT\n")


def test_release(run: Run, issuer: Issuer, hold: str) -> None:
    """The number is the one that the account shows."""
    assert hold in [row[0] for row in words(run("account", "show", "alice"))]
    assert lines(run("hold", "release", "alice", hold)) == [
        f"hold {hold} is released; available now 500.00 EUR"
    ]
    assert run("hold", "release", "alice", hold).err == (
        f"authoriser: the account 'alice' has no open hold {hold}\n"
    )


# ---- second persons


def test_what_waits(run: Run, issuer: Issuer) -> None:
    """It is said how to go on; it is listed; another makes it so."""
    assert lines(run("proposals", "list")) == ["nothing waits for a second person"]
    first, second = lines(run("account", "credit", "alice", "100.01", "--reason", "goodwill"))
    name = first.rpartition(" ")[2]
    assert first == f"this wants a second person: it waits as {name}"
    assert second == f"another supervisor confirms it: authoriser proposals confirm {name}"
    listed = " ".join(lines(run("proposals", "list")))
    assert all(word in listed for word in (name, "credit alice", "100.01", "goodwill"))
    own = run("proposals", "confirm", name)
    assert (own.code, own.err.endswith("proposed it; somebody else has to confirm it\n")) == (1, True)
    issuer.ask_as(ANOTHER_UID, "proposals.confirm", proposal=name)
    assert json.loads(run("account", "show", "alice", "--json").out)["account"]["balance_minor"] == 60_001


def test_confirming_shows_the_account(run: Run, issuer: Issuer) -> None:
    """As it is after the change."""
    asked = {"account": "alice", "amount_minor": -20_000}
    name = issuer.ask_as(ANOTHER_UID, "account.adjust", **asked).proposal
    said = lines(run("proposals", "confirm", name))
    assert said[:3] == [f"{name} is confirmed", "account      alice", "available    300.00 EUR"]


def test_withdrawing(run: Run, issuer: Issuer) -> None:
    name = issuer.ask_as(ANOTHER_UID, "account.credit", account="alice", amount_minor=20_000).proposal
    assert lines(run("proposals", "withdraw", name)) == [f"{name} is withdrawn"]
    with pytest.raises(RpcError):
        issuer.ask_as(ANOTHER_UID + 1, "proposals.confirm", proposal=name)


# ---- the policy


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.toml"
    file.write_text("# another policy\n")
    return file


def test_a_policy(run: Run, issuer: Issuer, policy: Path) -> None:
    """Checked without a server, loaded, and shown as it was written: what is shown can be loaded again."""
    version = read_policy(policy.read_text()).version
    assert run("policy", "check", str(policy)).out == f"{policy} is a policy; its version is {version}\n"
    assert lines(run("policy", "load", str(policy))) == [f"policy {version} is in force"]
    assert lines(run("policy", "load", str(policy))) == [f"policy {version} was in force already"]
    shown = run("policy", "show")
    assert (shown.code, shown.out, shown.err) == (
        0,
        "# another policy\n",
        f"policy {version}: as it was loaded\n",
    )


@pytest.mark.parametrize("command", ["check", "load"])
def test_a_bad_policy(run: Run, issuer: Issuer, policy: Path, command: str) -> None:
    """Its file and line are named, exit code 2; nothing was sent."""
    policy.write_text("# fine\nthis is no TOML\n")
    ran = run("policy", command, str(policy))
    assert (ran.code, ran.out, ran.err.startswith(f"authoriser: {policy}"), "2" in ran.err) == (
        2,
        "",
        True,
        True,
    )
    assert json.loads(run("policy", "show", "--json").out)["default"] is True


def test_no_policy_file(run: Run, tmp_path: Path) -> None:
    ran = run("policy", "check", str(tmp_path / "none.toml"))
    assert (ran.code, ran.err.startswith("authoriser: Invalid value for 'FILE'")) == (2, True)


# ---- the exception list


def test_settling(run: Run, issuer: Issuer) -> None:
    """Its id is listed; without a hold it is dismissed."""
    issuer.execute(NoteException("e-1", "malformed", "test", "net", "0420", "90", "no digits", "1232", 100))
    assert words(run("exceptions"))[2:] == [
        ["e-1", "malformed", "1", "test:", "no", "digits"],
        [*words(run("exceptions"))[3][:2], "0420", "field", "90", "****1232"],
    ]
    assert lines(run("exceptions", "settle", "e-1", "--reason", "the shop rang")) == ["e-1 is dismissed"]
    assert lines(run("exceptions")) == ["no exceptions"]


# ---- who did what


def test_audit(run: Run, issuer: Issuer, hold: str) -> None:
    """The newest last, in 80 columns, with who, what, whose and why."""
    run("hold", "release", "alice", hold, "--reason", "shop rang", "--actor", "mara")
    run("card", "freeze", "1232", "--reason", "lost in a taxi", "--actor", "joao")
    said = lines(run("audit", "--limit", "2"))
    assert (said[0].split(), said[-1]) == (
        ["when", "(UTC)", "who", "what", "how", "and", "why"],
        "the newest 2 of 10; --limit shows more",
    )
    text = " ".join(" ".join(said).split())
    assert all(word in text for word in ("mara", "hold.released", "15.00 EUR; shop", "alice ****1232"))
    assert all(word in text for word in ("joao", "card.state_changed", "active to frozen; lost"))


def test_audit_as_json(run: Run, issuer: Issuer) -> None:
    """One document, with everything."""
    run("card", "freeze", "1232", "--reason", "lost", "--actor", "joao")
    page = json.loads(run("audit", "--actor", "joao", "--json").out)
    (entry,) = page["entries"]
    assert (page["total"], entry["what"], entry["reason"], entry["details"]) == (
        1,
        "card.state_changed",
        "lost",
        {"before": "active", "after": "frozen"},
    )


def test_audit_of_nobody(run: Run, issuer: Issuer) -> None:
    """Said in words; JSON is a document all the same."""
    assert lines(run("audit", "--account", "nobody")) == ["nobody did anything like it"]
    assert json.loads(run("audit", "--since", "2099-01-01", "--json").out) == {"total": 0, "entries": []}


def test_audit_needs_no_server(run: Run, data: Path) -> None:
    """Only its data directory, with a journal in it."""
    ran = run("audit")
    assert (ran.code, ran.err.startswith(f"authoriser: there is no journal in {data}")) == (1, True)


def test_audit_since_what(run: Run, data: Path) -> None:
    ran = run("audit", "--since", "yesterday")
    text = "--since should be ISO 8601, as 2026-11-25 or 2026-11-25T14:30"
    assert ran == (2, "", f"authoriser: {text}\n")


def test_a_look_is_told_by_whom(run: Run, issuer: Issuer) -> None:
    """By --actor, else by the user that the server sees."""
    run("account", "show", "alice", "--actor", "mara")
    run("card", "show", "1232", "--actor", "mara")
    page = json.loads(run("audit", "--actor", "mara", "--json").out)
    assert [entry["what"] for entry in page["entries"]] == ["account.show", "card.show"]


@pytest.mark.parametrize(
    "command",
    [("card", "limit"), ("card", "switch"), ("card", "lists"), ("card", "controls"), ("card", "replace"),
     ("account", "adjust"), ("hold",), ("hold", "release"), ("policy",), ("policy", "load"), ("proposals",),
     ("proposals", "confirm"), ("exceptions",), ("exceptions", "settle"), ("audit",)],
)  # fmt: skip
def test_help_fits_80_columns(run: Run, command: tuple[str, ...]) -> None:
    """Every command explains itself, with exit code 0."""
    ran = run(*command, "--help")
    assert (ran.code, ran.err, max(map(len, ran.out.splitlines())) <= 80, "Usage:" in ran.out) == (
        0,
        "",
        True,
        True,
    )
