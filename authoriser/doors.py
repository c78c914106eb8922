"""Makes the door of a link as it is configured: a listener or a dialler."""

from collections.abc import Callable, Iterable

from authoriser.arrival import LoopWatch
from authoriser.config import LinkConfig
from authoriser.dialler import Dialler
from authoriser.door import Door, Setting
from authoriser.line_keeper import message_of_ours
from authoriser.link import Link
from authoriser.listener import Listener
from authoriser.tls import TlsFilesError, make_tls
from isowire import EncodeError


def make_door(
    link: Link, configs: Iterable[LinkConfig], count: Callable[[str], None], watch: LoopWatch | None = None
) -> Door:
    """The door of `link`, whose configuration is the one of `configs` with its name.

    Raises ValueError, in words for an operator, where a file of TLS does not serve, or where the dialect can't say
    what is to be said.
    """
    config = next(config for config in configs if config.name == link.name)
    tls = None
    if config.tls is not None:
        try:
            tls = make_tls(config.tls, listens=config.connect is None, host=config.address.host)
        except TlsFilesError as error:
            raise ValueError(
                f"link {link.name}: tls.{error.key}: {getattr(config.tls, error.key)} {error}"
            ) from None
    setting = Setting(lines=config.lines, echo_idle_s=config.echo_idle_ms / 1000, tls=tls)
    if config.connect is not None or config.echo_idle_ms:
        try:
            message_of_ours(link, link.dialect.management.echo, "000001", "0101000000")
        except EncodeError as error:
            raise ValueError(
                f"link {link.name}: dialect {link.dialect.name} can't write an 0800, which this link sends: {error}"
            ) from None
    if config.connect is not None:
        return Dialler(link, count, watch, setting)
    return Listener(link, count, watch, setting)
