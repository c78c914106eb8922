"""The admin socket's methods where a process may lead or follow."""

from typing import Any

import pytest
import trio
import trio.testing

from authoriser.admin.rpc import RpcError
from authoriser.admin.standby import FOLLOWS, LOST, RoleMethods


class Stuck:
    """Methods whose answers wait for a log that does not come; `status` does not wait."""

    async def call(self, method: str, params: Any, uid: int) -> Any:
        if method != "status":
            await trio.sleep_forever()
        return f"the leader's {method}"


def roles() -> RoleMethods:
    return RoleMethods(lambda: "the follower's status")  # type: ignore[arg-type, return-value]


async def test_a_follower_has_a_status_and_nothing_else() -> None:
    """Everything that reads or changes the shard is refused, with who to ask."""
    followed = roles()
    assert await followed.call("status", None, 0) == "the follower's status"
    with pytest.raises(RpcError) as refused:
        await followed.call("account.show", None, 0)
    assert (str(refused.value), refused.value.kind) == (FOLLOWS, "not_admitted")


async def test_what_waits_when_the_shard_is_lost_is_told_so(nursery: trio.Nursery) -> None:
    """A freeze whose record never became durable here: the operator hears that nobody knows, and asks again."""
    role = roles()
    role.lead(Stuck())
    heard: list[str] = []

    async def freeze() -> None:
        with pytest.raises(RpcError) as lost:
            await role.call("card.freeze", None, 0)
        heard.append(str(lost.value))

    nursery.start_soon(freeze)
    await trio.testing.wait_all_tasks_blocked()
    leading = await role.call("status", None, 0)
    role.follow()
    await trio.testing.wait_all_tasks_blocked()
    assert (leading, await role.call("status", None, 0)) == ("the leader's status", "the follower's status")
    assert heard == [LOST]
