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
    QuestionRecord,
    SignalKind,
    SignalRecord,
    SubStatus,
    TaskRecord,
    TaskStatus,
    WaitKind,
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
    "QuestionRecord",
    "SignalKind",
    "SignalRecord",
    "Store",
    "SubStatus",
    "TaskRecord",
    "TaskStatus",
    "WaitKind",
    "WaitPhase",
    "WaitRecord",
    "Writer",
]
