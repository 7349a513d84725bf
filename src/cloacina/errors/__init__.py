"""Every error that Cloacina raises on purpose, as one tree, each with a stable code.

::

    CloacinaError
    ├── ContextError          NotJSONSerializable · ContextSealed · ContextConflict · InvalidInput
    ├── DefinitionError       UnknownDependency · DependencyCycle · DuplicateTask · EmptyWorkflow · InvalidName
    │                         InvalidTask · WrongHandleType · InvalidOption
    ├── HandleError           HandleConsumed · ConcurrentWait · ConditionError · WaitTimeout · InvalidWait
    │                         NoTaskHandle · ReplayMismatch · ConcurrentCheckpoint
    ├── ExecutionError        ExecutionFailed · ExecutionCancelled · TaskTimeout · InvalidTaskResult
    │                         UnknownWorkflow · UnknownExecution · RunnerClosed · ThreadUnavailable
    │                         WrongEventLoop · WouldDeadlock · ExecutionEnded · UnknownQuestion · QuestionClosed
    │                         InvalidAnswer · HeartbeatTimeout · TaskCrashed · WorkflowChanged
    ├── StoreError            StoreUnavailable · StoreWriteFailed · UnsupportedDatabase · StoreTooNew
    ├── CommandError          FileNotLoadable · WorkflowNotFound · InvalidJSONArgument · UnknownErrorCode
    └── PackageError
        ├── ProjectError      ProjectNotFound · InvalidProject · EntryModuleNotFound · InvalidSource · NoTasksFound
        │                     UndiscoverableTask · UnpackableFile · ProjectExists
        ├── DependencyError   UvNotFound · UvVersionUntested · UnsatisfiableDependencies · DependencyNotFound
        │                     NetworkUnavailable · StaleLock · DependencyNotPackageable · MissingWheels
        │                     HashMismatch · UvFailed
        ├── BuildError        NotReproducible · ImportCheckFailed · OutputNotWritable
        ├── ArchiveError      PackageNotReadable · InvalidArchive · ArchiveLimitExceeded · UnsafeArchive
        │                     PackageTampered · InvalidManifest · UnsupportedManifest · TargetNotInPackage
        │                     ExtractionFailed
        └── SignatureError    SigningUnavailable · InvalidSigningKey · InvalidSignature · PackageNotSigned
                              UnknownSigner · ExpiredSigner · InvalidAllowedSigners

    TaskCancelled (BaseException): unwinds a blocking task, as the event loop's own exception unwinds an async one

The docstring of a class says when it is raised. ``cause`` and ``mend`` are what ``cloacina explain CODE`` shows.
"""

from __future__ import annotations

from cloacina.errors.base import (
    DOCUMENTATION_URL,
    CloacinaError,
    documentation_url,
)
from cloacina.errors.command import (
    CommandError,
    FileNotLoadable,
    InvalidJSONArgument,
    UnknownErrorCode,
    WorkflowNotFound,
)
from cloacina.errors.definition import (
    ContextConflict,
    ContextError,
    ContextSealed,
    DefinitionError,
    DependencyCycle,
    DuplicateTask,
    EmptyWorkflow,
    InvalidInput,
    InvalidName,
    InvalidOption,
    InvalidTask,
    NotJSONSerializable,
    UnknownDependency,
    WrongHandleType,
)
from cloacina.errors.execution import (
    ExecutionCancelled,
    ExecutionEnded,
    ExecutionError,
    ExecutionFailed,
    HeartbeatTimeout,
    InvalidAnswer,
    InvalidTaskResult,
    QuestionClosed,
    RunnerClosed,
    TaskCrashed,
    TaskTimeout,
    ThreadUnavailable,
    UnknownExecution,
    UnknownQuestion,
    UnknownWorkflow,
    WorkflowChanged,
    WouldDeadlock,
    WrongEventLoop,
)
from cloacina.errors.handle import (
    ConcurrentCheckpoint,
    ConcurrentWait,
    ConditionError,
    HandleConsumed,
    HandleError,
    InvalidWait,
    NoTaskHandle,
    ReplayMismatch,
    TaskCancelled,
    WaitTimeout,
)
from cloacina.errors.lookup import (
    error_classes,
    errors_by_code,
    join_names,
)
from cloacina.errors.packaging import (
    ArchiveError,
    ArchiveLimitExceeded,
    BuildError,
    DependencyError,
    DependencyNotFound,
    DependencyNotPackageable,
    EntryModuleNotFound,
    ExpiredSigner,
    ExtractionFailed,
    HashMismatch,
    ImportCheckFailed,
    InvalidAllowedSigners,
    InvalidArchive,
    InvalidManifest,
    InvalidProject,
    InvalidSignature,
    InvalidSigningKey,
    InvalidSource,
    MissingWheels,
    NetworkUnavailable,
    NoTasksFound,
    NotReproducible,
    OutputNotWritable,
    PackageError,
    PackageNotReadable,
    PackageNotSigned,
    PackageTampered,
    ProjectError,
    ProjectExists,
    ProjectNotFound,
    SignatureError,
    SigningUnavailable,
    StaleLock,
    TargetNotInPackage,
    UndiscoverableTask,
    UnknownSigner,
    UnpackableFile,
    UnsafeArchive,
    UnsatisfiableDependencies,
    UnsupportedManifest,
    UvFailed,
    UvNotFound,
    UvVersionUntested,
)
from cloacina.errors.store import (
    StoreError,
    StoreTooNew,
    StoreUnavailable,
    StoreWriteFailed,
    UnsupportedDatabase,
)

__all__ = [
    "DOCUMENTATION_URL",
    "ArchiveError",
    "ArchiveLimitExceeded",
    "BuildError",
    "CloacinaError",
    "CommandError",
    "ConcurrentCheckpoint",
    "ConcurrentWait",
    "ConditionError",
    "ContextConflict",
    "ContextError",
    "ContextSealed",
    "DefinitionError",
    "DependencyCycle",
    "DependencyError",
    "DependencyNotFound",
    "DependencyNotPackageable",
    "DuplicateTask",
    "EmptyWorkflow",
    "EntryModuleNotFound",
    "ExecutionCancelled",
    "ExecutionEnded",
    "ExecutionError",
    "ExecutionFailed",
    "ExpiredSigner",
    "ExtractionFailed",
    "FileNotLoadable",
    "HandleConsumed",
    "HandleError",
    "HashMismatch",
    "HeartbeatTimeout",
    "ImportCheckFailed",
    "InvalidAllowedSigners",
    "InvalidAnswer",
    "InvalidArchive",
    "InvalidInput",
    "InvalidJSONArgument",
    "InvalidManifest",
    "InvalidName",
    "InvalidOption",
    "InvalidProject",
    "InvalidSignature",
    "InvalidSigningKey",
    "InvalidSource",
    "InvalidTask",
    "InvalidTaskResult",
    "InvalidWait",
    "MissingWheels",
    "NetworkUnavailable",
    "NoTaskHandle",
    "NoTasksFound",
    "NotJSONSerializable",
    "NotReproducible",
    "OutputNotWritable",
    "PackageError",
    "PackageNotReadable",
    "PackageNotSigned",
    "PackageTampered",
    "ProjectError",
    "ProjectExists",
    "ProjectNotFound",
    "QuestionClosed",
    "ReplayMismatch",
    "RunnerClosed",
    "SignatureError",
    "SigningUnavailable",
    "StaleLock",
    "StoreError",
    "StoreTooNew",
    "StoreUnavailable",
    "StoreWriteFailed",
    "TargetNotInPackage",
    "TaskCancelled",
    "TaskCrashed",
    "TaskTimeout",
    "ThreadUnavailable",
    "UndiscoverableTask",
    "UnknownDependency",
    "UnknownErrorCode",
    "UnknownExecution",
    "UnknownQuestion",
    "UnknownSigner",
    "UnknownWorkflow",
    "UnpackableFile",
    "UnsafeArchive",
    "UnsatisfiableDependencies",
    "UnsupportedDatabase",
    "UnsupportedManifest",
    "UvFailed",
    "UvNotFound",
    "UvVersionUntested",
    "WaitTimeout",
    "WorkflowChanged",
    "WorkflowNotFound",
    "WouldDeadlock",
    "WrongEventLoop",
    "WrongHandleType",
    "documentation_url",
    "error_classes",
    "errors_by_code",
    "join_names",
]

# A traceback names the place where a class can be imported from, and not the one where it happens to be written.
for _name in __all__:
    if isinstance(_class := globals()[_name], type):
        _class.__module__ = __name__
