"""Snapshots: one blob an account, so that a start need not replay everything. The journal stays the truth."""

from authoriser.snapshots.contract import Blob, Loaded, SnapshotStore

__all__ = ["Blob", "Loaded", "SnapshotStore"]
