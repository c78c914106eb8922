"""`isowire encode`, `diff`, `dialects`, `framings`, `check` and `source`."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from isowire import FRAMINGS, dialect_names, load_dialect
from isowire.cli import app
from isowire.cli.problems import as_toml
from isowire.dialect import dialect_template

SAMPLES = Path(__file__).parents[3] / "iso8583" / "samples"
NAMES = sorted(f"{file.parent.name}/{file.stem}" for file in SAMPLES.glob("*/*.hex"))
PURCHASE = SAMPLES / "iso87-ascii" / "0100-purchase"
PAN = "4000000000001232"


def run(*args: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=given)


def sample(suffix: str) -> Path:
    return PURCHASE.with_suffix(suffix)


# ---- encode


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_page_makes_its_bytes(name: str) -> None:
    """From TOML, and from JSON of the same, on standard input."""
    page = SAMPLES / f"{name}.toml"
    expected = bytes.fromhex((SAMPLES / f"{name}.hex").read_text())
    as_json = json.dumps(tomllib.loads(page.read_text(encoding="utf-8"))).encode()
    dialect = name.split("/", maxsplit=1)[0]
    for result in (run("encode", "-d", dialect, page), run("encode", "-d", dialect, "-", given=as_json)):
        assert (result.exit_code, bytes.fromhex(result.stdout)) == (0, expected)


def test_encode_frames_and_writes_bytes() -> None:
    """--framing puts a length before it, --binary writes it as it is, --json says what it is."""
    payload = bytes.fromhex(sample(".hex").read_text())
    framed = FRAMINGS["ascii4"].wrap(payload)
    assert run("encode", sample(".toml"), "--framing", "ascii4", "--binary").stdout_bytes == framed
    document = json.loads(run("encode", sample(".toml"), "--json").stdout)
    assert document == {
        "mti": "0100",
        "dialect": "iso87-ascii",
        "framing": "none",
        "bytes": len(payload),
        "hex": payload.hex().upper(),
    }


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (
            'mti = "0100"\nfeilds = {}',
            "'feilds': no such key; did you mean 'fields'?; there are title, mti, fields",
        ),
        ("mti = 100", 'mti: found a number, expected text, as mti = "0100"'),
        ('mti = "0100"\n[fields]\n4 = 1999', "fields.4: found a number, expected text in quotes"),
        ('mti = "0100"\n[fields]\n1 = ""', "fields: found '1', expected a number from 2 to 128"),
        ('mti = "0100', "not TOML: Unterminated string"),
        ("{", "not JSON: "),
        ('title = "x"', "mti: found none"),
    ],
)
def test_a_wrong_page_is_one_line(page: str, said: str) -> None:
    """Exit code 2, and what would be right."""
    result = run("encode", "-", given=page.encode())
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert result.stderr.startswith("isowire: standard input: ")
    assert result.stderr.count("\n") == 1


def test_a_value_that_does_not_fit_is_not_shown() -> None:
    """The codec's error, with the value's shape only."""
    result = run("encode", "-", given=f'mti = "0100"\n[fields]\n2 = "{PAN}0000"\n'.encode())
    assert result.exit_code == 2
    assert result.stderr == "isowire: DE2: found 20 characters, expected up to 19 digits\n"


# ---- diff


def test_a_message_is_like_its_page_and_like_itself_in_another_dialect() -> None:
    """Exit code 0, whatever the two are written in."""
    binary = SAMPLES / "iso87-binary" / "0100-purchase.hex"
    for other in (sample(".toml"), sample(".hex"), binary):
        result = run("diff", sample(".hex"), other)
        assert (result.exit_code, "the same: 0100, 17 fields" in result.stdout) == (0, True)
    assert json.loads(run("diff", "--json", sample(".hex"), binary).stdout)["fields"] == []


def test_a_page_is_taken_to_be_in_the_other_sides_dialect() -> None:
    """Without --dialect, a page on the left says nothing of its own."""
    folder = SAMPLES / "iso93-binary"
    result = run("diff", folder / "1100-purchase.toml", folder / "1100-purchase.hex")
    assert result.exit_code == 0


def test_differences_are_told_by_field_and_masked() -> None:
    """Only what differs, a masked value too; exit code 1."""
    page = sample(".toml").read_text(encoding="utf-8")
    other = page.replace(PAN, "4000010000001231").replace('"051"', '"071"').replace("LISBON", "OPORTO")
    assert other.count("4000010000001231") == 1
    result = run("diff", sample(".hex"), "-", given=other.encode())
    assert result.exit_code == 1
    rows = [line.split() for line in result.stdout.splitlines() if line[:2].strip().isdigit()]
    assert [row[0] for row in rows] == ["2", "22", "43"]
    assert rows[0][-3:] == ["************1232", "************1231", "differs"]
    assert PAN not in result.output
    assert "4000010000001231" not in result.output
    assert any(line.split() == ["city", "LISBON", "OPORTO"] for line in result.stdout.splitlines())


def test_diff_as_json_and_all() -> None:
    """--all has what is the same too."""
    other = SAMPLES / "iso87-ascii" / "0400-reversal.hex"
    document = json.loads(run("diff", "--json", sample(".hex"), other).stdout)
    assert (document["same"], document["mti"]) == (False, ["0100", "0400"])
    assert [field["field"] for field in document["fields"]] == ["7", "11", "14", "90"]
    every = json.loads(run("diff", "--json", "--all", sample(".hex"), other).stdout)
    assert [field["field"] for field in every["fields"] if field["differs"]] == ["7", "11", "14", "90"]
    assert len(every["fields"]) == 18


def test_diff_takes_one_message_a_side() -> None:
    """Two frames are one too many, and one that does not decode is an exit code of 1."""
    payload = bytes.fromhex(sample(".hex").read_text())
    two = run("diff", sample(".hex"), "-", given=FRAMINGS["bin2"].wrap(payload) * 2)
    assert (two.exit_code, two.stderr) == (2, "isowire: standard input: found 2 messages, expected one\n")
    broken = run("diff", sample(".hex"), "-", given=payload[:-1])
    assert broken.exit_code == 1
    assert broken.stderr.startswith("isowire: standard input: does not decode: DE49")


# ---- lists


def test_dialects_are_listed() -> None:
    """Each with its framing and number of fields."""
    document = json.loads(run("dialects", "--json").stdout)
    assert [each["name"] for each in document] == dialect_names()
    assert {"fields": 126, "framing": "bin2", "version": 1987}.items() <= document[0].items()
    shown = run("dialects").stdout
    assert all(name in shown for name in dialect_names())


def test_framings_are_listed_with_an_example() -> None:
    """What stands before a message of 100 bytes, and behind it."""
    document = json.loads(run("framings", "--json").stdout)
    examples = {each["name"]: each["example"] for each in document}
    assert list(examples) == list(FRAMINGS)
    assert (examples["bin2"], examples["ascii4"], examples["bin2-etx"]) == ("00 64", '"0100"', "00 65 ... 03")
    shown = run("framings").stdout
    assert all(name in shown for name in FRAMINGS)


# ---- check


@pytest.mark.parametrize("name", dialect_names())
def test_the_packages_dialects_are_good(name: str) -> None:
    """And are said to be what they are."""
    result = run("check", name)
    assert result.exit_code == 0
    assert f"{name}: {load_dialect(name).title}" in " ".join(result.stdout.split())


def test_a_good_dialect_is_said_to_differ_where_it_does(tmp_path: Path) -> None:
    """The template: fields, framing, response codes, amounts, semantics, parts."""
    file = tmp_path / "my.toml"
    file.write_text(dialect_template())
    document = json.loads(run("check", "--json", file).stdout)
    assert (document["good"], document["extends"], document["worth_a_look"]) == (True, "iso87-ascii", [])
    changes = document["changes"]
    assert changes["framing"] == "bin2-tpdu; was bin2"
    assert changes["DE39"] == "+card_frozen"
    assert changes["amounts"] == "+ISK"
    assert set(changes["semantics"].split(", ")) == {
        *("+clearings", "+not_final", "+originals"),
        *(
            f"{key} otherwise"
            for key in (
                "network_id",
                "hold_lifetime_hours",
                "partial_approval",
                "increment",
                "capture_number",
                "capture_count",
                "on_behalf",
                "approving",
                "entry",
            )
        ),
    }
    assert changes["without fields"] == "127"
    assert changes["DE23"] == "3 digits, BCD; was 3 digits, ASCII"
    assert changes["parts in"] == "+48, +60, +62"
    assert "DE48" in changes


def test_a_card_number_that_is_not_sensitive_is_worth_a_look(tmp_path: Path) -> None:
    """It is allowed, and most likely a mistake."""
    file = tmp_path / "my.toml"
    file.write_text('extends = "iso87-ascii"\nname = "my"\nsensitive = [14, 34, 35, 36, 45, 52, 53, 55]\n')
    result = run("check", file)
    assert result.exit_code == 0
    assert "worth a look: DE2 (Primary Account Number (PAN)) is not under sensitive" in result.stdout


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Each fault with its line and what would be right, not only the first; exit code 1."""
    file = tmp_path / "my.toml"
    file.write_text(
        'extends = "iso87-ascii"\n'
        'name = "my"\n'
        'default_framing = "bin3"\n'
        "key_fields = [11, 200, 37]\n"
        "[encoding]\n"
        'numeric = "bdc"\n'
        "[response_codes]\n"
        'card_frozen = "5"\n'
        "[fields]\n"
        '48 = ["anz...255", "Private data"]\n'
        '129 = ["n3", "x"]\n'
        "[conditional]\n"
        '"0100" = [{ field = 55, whe = 22 }]\n'
        '[codes."3.transaction"]\n'
        '"00" = 3\n'
    )
    result = run("check", "--json", file)
    assert result.exit_code == 1
    problems = json.loads(result.stdout)["problems"]
    assert sorted(problem["line"] for problem in problems) == [3, 4, 6, 8, 10, 11, 13, 15]
    said = {problem["line"]: problem["text"] for problem in problems}
    assert said[11] == "fields.129: found '129', expected a number 2 to 128"
    assert said[15] == 'Expected `str`, got `int` - at codes."3.transaction"."00"'
    assert "did you mean 'when'?" in said[13]
    shown = run("check", file)
    assert f"{file}:8: response_codes.card_frozen: found '5'" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "8 problems; a later one may come of an earlier one"


def test_what_is_missing_or_no_toml_is_told(tmp_path: Path) -> None:
    """Keys that a file which extends nothing has to have; the line where it stops being TOML."""
    alone, broken = tmp_path / "alone.toml", tmp_path / "broken.toml"
    alone.write_text('name = "my"\n')
    broken.write_text('name = "my"\ntitle = \n')
    missing = [problem["text"] for problem in json.loads(run("check", "--json", alone).stdout)["problems"]]
    assert missing[0] == "Object missing required field `title`"
    assert "Object missing required field `fields`" in missing
    assert json.loads(run("check", "--json", broken).stdout)["problems"][0]["line"] == 2
    gone = run("check", tmp_path / "gone.toml")
    assert (gone.exit_code, gone.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("name", [*dialect_names(), "template"])
def test_dialects_survive_being_written_again(name: str) -> None:
    """The copy that faults are put right in means the same as the file."""
    text = dialect_template() if name == "template" else None
    if text is None:
        from isowire.dialect import find_dialect

        text = find_dialect(name, Path())[0]
    assert tomllib.loads(as_toml(tomllib.loads(text))) == tomllib.loads(text)


# ---- source


def test_source_is_python_for_the_layout() -> None:
    """From bytes and from a page alike, and nothing of the message is in it."""
    from_bytes, from_page = run("source", sample(".hex")), run("source", sample(".toml"))
    assert (from_bytes.exit_code, from_bytes.stdout) == (0, from_page.stdout)
    compile(from_bytes.stdout, "source", "exec")
    assert "def decode(payload):" in from_bytes.stdout
    assert "def encode(fields):" in from_bytes.stdout
    assert PAN not in from_bytes.stdout
    document = json.loads(run("source", "--json", sample(".hex")).stdout)
    assert (document["mti"], document["bitmaps"]) == ("0100", "723C448108E08000")


def test_source_of_a_message_that_ends_too_soon() -> None:
    """Nothing to generate for."""
    result = run("source", "-", "-d", "iso87-ascii", "-f", "none", given=b"0100723C")
    assert (result.exit_code, result.stderr) == (1, "isowire: the message ends before its bitmaps do\n")


# ---- the program


def test_help_imports_no_codec_and_a_closed_pipe_is_no_error() -> None:
    """`--help` leaves rich's tables and the dialect reader alone; `isowire decode | head -1` is quiet."""
    code = (
        "import sys; from isowire.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(' '.join(name for name in ('isowire.cli.decode', 'isowire.dialect_file', 'iso4217')"
        " if name in sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert (found.stderr, "decode" in found.stdout) == ("", True)
    program = f"{sys.executable} -c 'from isowire.cli import main; main()'"
    script = f"{program} decode {SAMPLES}/iso87-ascii/0100-every-field.hex"
    piped = subprocess.run(
        f"{script} | head -1", shell=True, capture_output=True, text=True, check=True, timeout=30
    )
    assert (piped.stderr, piped.stdout.count("\n")) == ("", 1)


@pytest.mark.parametrize("command", ["decode", "encode", "diff", "dialects", "framings", "check", "source"])
def test_each_command_helps_with_an_example(command: str) -> None:
    """--help ends with one that can be copied."""
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"isowire {command}" in result.stdout.partition("Example")[2]


def test_a_wrong_option_is_one_line() -> None:
    """And names the help, without a number that someone may have typed."""
    result = run("decode", f"--pan={PAN}")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert PAN not in result.stderr
    assert "isowire decode --help" in result.stderr
