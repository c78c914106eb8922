"""Asking again where the server takes nothing for now: a file's rows can wait, the payments of customers go first."""

from __future__ import annotations

import time
from typing import Any

from authoriser.admin.client import AdminClient, AdminError
from authoriser.admin.standby import FOLLOWS

BUSY_PAUSE_S = 0.25
BUSY_MAX_S = 60.0
"""How long one chunk of rows is tried."""


def call_when_free(client: AdminClient, method: str, **params: Any) -> Any:
    """`client.call`, again for a while where it takes nothing for now; a follower never will. Raises ClientError."""
    deadline = time.monotonic() + BUSY_MAX_S
    while True:
        try:
            return client.call(method, **params)
        except AdminError as error:
            lasting = error.kind != "not_admitted" or str(error) == FOLLOWS
            if lasting or time.monotonic() > deadline:
                raise
        time.sleep(BUSY_PAUSE_S)
