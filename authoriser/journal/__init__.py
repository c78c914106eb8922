"""The journal: an append-only, single-writer log of batches. What stands in it happened; nothing else did."""

from authoriser.journal.contract import Fenced, Journal, JournalLocked, Unknown

__all__ = ["Fenced", "Journal", "JournalLocked", "Unknown"]
