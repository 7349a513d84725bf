"""Cloacina: an embedded workflow engine in which waiting costs nothing.

What describes workflows is loaded with the package, and needs the standard library only. What runs them (`Runner`,
`AsyncRunner`) or asks about them (`Client`, `AsyncClient`), and the records they return, are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from cloacina.cancellation import Cancellation
from cloacina.context import Context
from cloacina.errors import (
    CloacinaError,
    ConcurrentCheckpoint,
    ConcurrentWait,
    ConditionError,
    ContextConflict,
    ContextError,
    ContextSealed,
    DefinitionError,
    DependencyCycle,
    DuplicateTask,
    EmptyWorkflow,
    ExecutionCancelled,
    ExecutionEnded,
    ExecutionError,
    ExecutionFailed,
    HandleConsumed,
    HandleError,
    HeartbeatTimeout,
    InvalidAnswer,
    InvalidInput,
    InvalidName,
    InvalidOption,
    InvalidTask,
    InvalidTaskResult,
    InvalidWait,
    NoTaskHandle,
    NotJSONSerializable,
    PackageError,
    QuestionClosed,
    ReplayMismatch,
    RunnerClosed,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    StoreWriteFailed,
    TaskCancelled,
    TaskCrashed,
    TaskTimeout,
    ThreadUnavailable,
    UnknownDependency,
    UnknownExecution,
    UnknownQuestion,
    UnknownWorkflow,
    UnsupportedDatabase,
    WaitTimeout,
    WorkflowChanged,
    WouldDeadlock,
    WrongEventLoop,
    WrongHandleType,
)
from cloacina.handle import BlockingTaskHandle, TaskHandle, return_task_handle, take_task_handle, with_task_handle
from cloacina.polling import PollPolicy
from cloacina.task import RetryPolicy, TaskDefinition, task
from cloacina.waits import After, At, Signal
from cloacina.workflow import Workflow

if TYPE_CHECKING:
    from cloacina.async_client import AsyncClient, AsyncClientExecution
    from cloacina.client import Client, ClientExecution
    from cloacina.execution.slots import SlotPool, SlotToken
    from cloacina.runner import AsyncRunner, BlockingExecution, Execution, Runner
    from cloacina.store.records import (
        ErrorRecord,
        EventRecord,
        EventType,
        ExecutionChange,
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

__all__ = [
    "After",
    "AsyncClient",
    "AsyncClientExecution",
    "AsyncRunner",
    "At",
    "BlockingExecution",
    "BlockingTaskHandle",
    "Cancellation",
    "Client",
    "ClientExecution",
    "CloacinaError",
    "ConcurrentCheckpoint",
    "ConcurrentWait",
    "ConditionError",
    "Context",
    "ContextConflict",
    "ContextError",
    "ContextSealed",
    "DefinitionError",
    "DependencyCycle",
    "DuplicateTask",
    "EmptyWorkflow",
    "ErrorRecord",
    "EventRecord",
    "EventType",
    "Execution",
    "ExecutionCancelled",
    "ExecutionChange",
    "ExecutionEnded",
    "ExecutionError",
    "ExecutionFailed",
    "ExecutionRecord",
    "ExecutionResult",
    "ExecutionStatus",
    "HandleConsumed",
    "HandleError",
    "HeartbeatTimeout",
    "InvalidAnswer",
    "InvalidInput",
    "InvalidName",
    "InvalidOption",
    "InvalidTask",
    "InvalidTaskResult",
    "InvalidWait",
    "NoTaskHandle",
    "NotJSONSerializable",
    "PackageError",
    "PollPolicy",
    "QuestionClosed",
    "QuestionRecord",
    "ReplayMismatch",
    "RetryPolicy",
    "Runner",
    "RunnerClosed",
    "Signal",
    "SignalKind",
    "SignalRecord",
    "SlotPool",
    "SlotToken",
    "StoreError",
    "StoreTooNew",
    "StoreUnavailable",
    "StoreWriteFailed",
    "SubStatus",
    "TaskCancelled",
    "TaskCrashed",
    "TaskDefinition",
    "TaskHandle",
    "TaskRecord",
    "TaskStatus",
    "TaskTimeout",
    "ThreadUnavailable",
    "UnknownDependency",
    "UnknownExecution",
    "UnknownQuestion",
    "UnknownWorkflow",
    "UnsupportedDatabase",
    "WaitKind",
    "WaitPhase",
    "WaitRecord",
    "WaitTimeout",
    "Workflow",
    "WorkflowChanged",
    "WouldDeadlock",
    "WrongEventLoop",
    "WrongHandleType",
    "__version__",
    "return_task_handle",
    "take_task_handle",
    "task",
    "with_task_handle",
]

__version__ = "0.1.0"

_LAZY: Final = {
    "cloacina.async_client": ("AsyncClient", "AsyncClientExecution"),
    "cloacina.client": ("Client", "ClientExecution"),
    "cloacina.execution.slots": ("SlotPool", "SlotToken"),
    "cloacina.runner": ("AsyncRunner", "BlockingExecution", "Execution", "Runner"),
    "cloacina.store.records": (
        "ErrorRecord",
        "EventRecord",
        "EventType",
        "ExecutionChange",
        "ExecutionRecord",
        "ExecutionResult",
        "ExecutionStatus",
        "QuestionRecord",
        "SignalKind",
        "SignalRecord",
        "SubStatus",
        "TaskRecord",
        "TaskStatus",
        "WaitKind",
        "WaitPhase",
        "WaitRecord",
    ),
}
_HOME: Final = {name: module for module, names in _LAZY.items() for name in names}


if not TYPE_CHECKING:  # A type checker that saw it would take every name for one of the package.

    def __getattr__(name: str) -> Any:
        module = _HOME.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
