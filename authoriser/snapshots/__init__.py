"""Snapshots: one blob an account, so that a start need not replay everything. The journal stays the truth."""

from authoriser.snapshots.contract import (
    STORE_FAILURES,
    Blob,
    CardEntry,
    Checkpoint,
    Due,
    Loaded,
    SnapshotStore,
    StoreError,
    WholeStore,
)

__all__ = [
    "STORE_FAILURES",
    "Blob",
    "CardEntry",
    "Checkpoint",
    "Due",
    "Loaded",
    "SnapshotStore",
    "StoreError",
    "WholeStore",
]
