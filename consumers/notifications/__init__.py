"""One short text for the customer's phone for each decision: what happened, how much, and where.

Texts come from the reason table (docs/reasons.md). Delivered once for each event, as far as the receiver can tell by
its id; what can't be delivered goes to a dead-letter topic.
"""

from consumers.notifications.texts import Notification, Texts

__all__ = ["Notification", "Texts"]
