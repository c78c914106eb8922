"""Writes docs/reasons.md from the reason table: `python -m rules.reasons_page docs/reasons.md`.

Owns the page's layout alone; every word of it that says something of a reason stands in `reasons.toml`.
"""

import sys
from pathlib import Path

from rules.reason import Reason
from rules.reasons import PROFILES, operator_advice, profile, push_text

_HEAD = """# Reasons

Made from `rules/reasons.toml` by `python -m rules.reasons_page docs/reasons.md`; change it there. That file says where
each code comes from and which are a choice.

A decision has one reason. The network reads its DE39 by the link's profile (a dialect's own `[response_codes]` go over
it), the customer's app shows the push, an operator reads the advice.
"""


def page() -> str:
    """The whole page as Markdown."""
    rows = [
        _row("reason", *PROFILES, "push to the customer", "advice to the operator"),
        _row(*["---"] * (len(PROFILES) + 3)),
        *(
            _row(
                f"`{reason}`",
                *(profile(name).codes[reason] for name in PROFILES),
                push_text(reason) or "(none)",
                operator_advice(reason),
            )
            for reason in Reason
        ),
    ]
    profiles = [_profile(name) for name in PROFILES]
    return "\n".join([_HEAD, *rows, "", "## Profiles", "", *profiles, ""])


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _profile(name: str) -> str:
    this = profile(name)
    refunds = "A refund may be declined with any code."
    if this.refund_codes:
        codes = ", ".join(sorted(this.refund_codes))
        refunds = f"A refund is declined with {codes} only; any other code is told as {this.refund_else}."
    return f"- `{name}`: {this.about}. {refunds}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m rules.reasons_page FILE: where to write the page, docs/reasons.md")
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
