"""Each account's transactions in Cassandra tables, the latest first and page by page, for apps to read.

`Feed` is the library: pages of one account. `authoriser-feed` writes the tables; it may be run again from the beginning
at any time, as each event has one row, whose content hangs on the event alone.
"""

from consumers.feed.rows import Entry
from consumers.feed.tables import Cursor, Feed, Page

__all__ = ["Cursor", "Entry", "Feed", "Page"]
