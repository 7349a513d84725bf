"""The database layer: what is stored, the writer that groups commits, and the queries."""

from __future__ import annotations

from cloacina.store.database import Database
from cloacina.store.records import (
    ErrorRecord,
    EventRecord,
    EventType,
    ExecutionRecord,
    ExecutionResult,
    ExecutionStatus,
    SubStatus,
    TaskRecord,
    TaskStatus,
    WaitPhase,
    WaitRecord,
)
from cloacina.store.store import Store
from cloacina.store.writer import Writer

__all__ = [
    "Database",
    "ErrorRecord",
    "EventRecord",
    "EventType",
    "ExecutionRecord",
    "ExecutionResult",
    "ExecutionStatus",
    "Store",
    "SubStatus",
    "TaskRecord",
    "TaskStatus",
    "WaitPhase",
    "WaitRecord",
    "Writer",
]
