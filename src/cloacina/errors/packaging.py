"""Errors about packages: the project, its dependencies, the build, the archive, and its signatures."""

from __future__ import annotations

from cloacina.errors.base import CloacinaError


class PackageError(CloacinaError):
    """The base of errors about workflow packages."""

    code = "CLO-2000"
    cause = "A workflow package cannot be built, read or trusted."


class ProjectError(PackageError):
    """The base of errors about the project that a package is built from."""

    code = "CLO-2100"
    cause = "The project cannot be packaged as it is."


class ProjectNotFound(ProjectError):
    """Raised when the folder to package holds no pyproject.toml."""

    code = "CLO-2101"
    cause = "A package is built from a project, and the folder given has no pyproject.toml."
    mend = "Name the project's folder, or make a project with `cloacina new NAME`."


class InvalidProject(ProjectError):
    """Raised when pyproject.toml lacks what a package needs, or holds values that cannot be used."""

    code = "CLO-2102"
    cause = (
        "pyproject.toml is not TOML, lacks [project] name or version or [tool.cloacina], or a value is out of range."
    )
    mend = "Correct the table and key that the message names; reference/packaging lists all of them."


class EntryModuleNotFound(ProjectError):
    """Raised when the project has no module of the name in `entry_module`."""

    code = "CLO-2103"
    cause = "[tool.cloacina] entry_module names a module for which there is no file."
    mend = "Correct the name, or add the file. Modules are looked for in src/ where there is one, else beside it."


class InvalidSource(ProjectError):
    """Raised when a source file of the project is not Python or not UTF-8 text."""

    code = "CLO-2104"
    cause = "Tasks are found by parsing the source, and a file cannot be parsed."
    mend = "Correct the file at the line that the message names."


class NoTasksFound(ProjectError):
    """Raised when the entry module and what it imports declare no task."""

    code = "CLO-2105"
    cause = "No function with @task was found in the entry module or in a module of the project that it imports."
    mend = "Put @task on a function, import its module from the entry module, or correct entry_module."


class UndiscoverableTask(ProjectError):
    """Raised when a task is declared in a way that can only be known by running the code."""

    code = "CLO-2106"
    cause = "A package's tasks are read from the source without running it; this declaration depends on running it."
    mend = "Write the id and the dependencies out, at the top level of a module or in `with Workflow(...)`."


class UnpackableFile(ProjectError):
    """Raised when a file of the project cannot be part of a package."""

    code = "CLO-2107"
    cause = "The file is a link, is too large, has a name that some system cannot hold, or hides a standard module."
    mend = "Rename or replace the file, or leave it out: [tool.cloacina] exclude."


class ProjectExists(ProjectError):
    """Raised when `cloacina new` is given a folder that holds something already."""

    code = "CLO-2108"
    cause = "A new project is written into a new or an empty folder, so that nothing is overwritten."
    mend = "Choose another name or folder."


class DependencyError(PackageError):
    """The base of errors about a package's dependencies, and about uv, which resolves and installs them."""

    code = "CLO-2200"
    cause = "The project's dependencies cannot be locked, or cannot be put into the package."


class UvNotFound(DependencyError):
    """Raised when uv is not installed."""

    code = "CLO-2201"
    cause = "Locking and vendoring are done by uv, which is neither on PATH nor installed beside Cloacina."
    mend = "Install it: pip install uv."


class UvVersionUntested(DependencyError):
    """Raised when the installed uv is of a version that Cloacina was not tested with."""

    code = "CLO-2202"
    cause = "What uv writes and says changes between its versions, and this version is outside of the tested range."
    mend = "Install a tested version, as the message says, or pass --allow-untested-uv."


class UnsatisfiableDependencies(DependencyError):
    """Raised when no set of versions satisfies all requirements."""

    code = "CLO-2203"
    cause = "Requirements of the project, or of its dependencies, exclude each other or requires-python."
    mend = "Loosen one of the requirements that the message names."


class DependencyNotFound(DependencyError):
    """Raised when the index knows no distribution of a dependency's name."""

    code = "CLO-2204"
    cause = "A dependency's name is misspelt, or it is on another index than the one that uv is configured to use."
    mend = "Correct the name, or configure the index for uv."


class NetworkUnavailable(DependencyError):
    """Raised when an index cannot be reached, and the cache does not hold what is needed."""

    code = "CLO-2205"
    cause = "There is no network, the index refuses, or --offline was given and a file is not in uv's cache."
    mend = "Connect and try again. After one build with network, the same build works offline."


class StaleLock(DependencyError):
    """Raised when the lock file does not fit pyproject.toml, and may not be changed."""

    code = "CLO-2206"
    cause = "pyproject.toml was changed after uv.lock was written, or there is no uv.lock, and --locked was given."
    mend = "Run `cloacina lock`, look at the change, and build again."


class DependencyNotPackageable(DependencyError):
    """Raised when a dependency does not come from an index: a path, a repository or an address."""

    code = "CLO-2207"
    cause = "Only wheels from an index have a name, a version and a hash that another machine can rely on."
    mend = "Publish the dependency to an index, or move its source into the project."


class MissingWheels(DependencyError):
    """Raised when dependencies have no wheel for some of the package's targets.

    Attributes:
        gaps: One `(name, version, target, reason)` for each wheel that is missing.
    """

    code = "CLO-2208"
    cause = "Dependencies are installed from wheels only, and the index has none for a target."
    mend = "Choose a version that has one, leave the target out, or build the wheel and publish it to an index."

    def __init__(self, message: str, gaps: tuple[tuple[str, str, str, str], ...] = ()) -> None:
        super().__init__(message)
        self.gaps = gaps


class HashMismatch(DependencyError):
    """Raised when a downloaded wheel is not the one that was locked, or the lock has no hash of it."""

    code = "CLO-2209"
    cause = "The file on the index was replaced, the cache is damaged, or the index gives no hashes."
    mend = "Find out why the file changed before you lock again with `cloacina lock`."


class UvFailed(DependencyError):
    """Raised when uv failed for a reason that Cloacina does not know."""

    code = "CLO-2210"
    cause = "uv ended with an error; the message holds what it printed."
    mend = "Follow uv's message. Running `uv lock` in the project shows more."


class BuildError(PackageError):
    """The base of errors about building a package from a valid project with its dependencies at hand."""

    code = "CLO-2300"
    cause = "The package could not be built."


class NotReproducible(BuildError):
    """Raised by `--check-reproducible` when two builds differ."""

    code = "CLO-2301"
    cause = "Two builds of the project in different folders gave different files."
    mend = "The message names the files that differ. A file written during a build must be left out: exclude."


class ImportCheckFailed(BuildError):
    """Raised when the built package does not import, or registers other tasks than its manifest names."""

    code = "CLO-2302"
    cause = "The package was imported in a process of its own, as a worker does, and failed or had other tasks."
    mend = "Correct the error that the message shows; a missing module belongs into dependencies or include."


class OutputNotWritable(BuildError):
    """Raised when the package, or a file beside it, cannot be written."""

    code = "CLO-2303"
    cause = "The folder does not exist or is not writable, or the disk is full."
    mend = "Choose another folder with -o, or make room. A file that was there before is untouched."


class ArchiveError(PackageError):
    """The base of errors about a `.cloacina` file."""

    code = "CLO-2400"
    cause = "The file is not a package that can be used."


class PackageNotReadable(ArchiveError):
    """Raised when the file is not there, cannot be read, or is no `.cloacina` archive at all."""

    code = "CLO-2401"
    cause = "The path is wrong, the file may not be read, or it is neither zstd nor gzip."
    mend = "Check the path, and that the file was transferred whole."


class InvalidArchive(ArchiveError):
    """Raised when the file breaks off, or is not laid out as a package is."""

    code = "CLO-2402"
    cause = "The file was cut short or damaged, or was not written by `cloacina build`."
    mend = "Transfer it again, or build it again. Nothing was extracted."


class ArchiveLimitExceeded(ArchiveError):
    """Raised when a package holds more than a package may: entries, bytes, or bytes for each packed byte."""

    code = "CLO-2403"
    cause = "The file would fill the disk or the memory of the machine that reads it."
    mend = "Don't use the file if you did not build it. If you did: leave large data out of the package."


class UnsafeArchive(ArchiveError):
    """Raised when a package holds something that could write or run where it should not."""

    code = "CLO-2404"
    cause = "The file holds a link, a path out of its folder, a name that hides another, or code that runs by itself."
    mend = "Don't use the file: `cloacina build` never writes such a package. Nothing was extracted."


class PackageTampered(ArchiveError):
    """Raised when the content of a package is not what its CONTENTS or its fingerprint says."""

    code = "CLO-2405"
    cause = "A file in the package was changed, added or removed after the package was built."
    mend = "Don't use the file; get it again from who built it."


class InvalidManifest(ArchiveError):
    """Raised when the manifest of a package breaks the rules of its format."""

    code = "CLO-2406"
    cause = "A field is missing or out of range, ids repeat, a dependency is unknown, or dependencies form a circle."
    mend = "Build the package again. reference/manifest lists every field and rule."


class UnsupportedManifest(ArchiveError):
    """Raised when the manifest is of another version or format than this Cloacina reads."""

    code = "CLO-2407"
    cause = 'format_version is not "2": the package was built by an older, a newer or another program.'
    mend = "Build it again with this version, or use the version that the message names."


class TargetNotInPackage(ArchiveError):
    """Raised when a package holds nothing for the platform and Python asked for."""

    code = "CLO-2408"
    cause = "A package runs on the targets it was built for, and this platform or Python is none of them."
    mend = "Use a Python that the package has, or build it for this target: cloacina build --target."


class ExtractionFailed(ArchiveError):
    """Raised when a valid package cannot be written to its folder."""

    code = "CLO-2409"
    cause = "The folder exists and is not empty, is not writable, or the disk is full."
    mend = "Choose a new folder, or make room. What had been written was removed."


class SignatureError(PackageError):
    """The base of errors about signatures."""

    code = "CLO-2500"
    cause = "A package cannot be signed, or its signature cannot be relied on."


class SigningUnavailable(SignatureError):
    """Raised when a signature has to be made or checked, and the library for it is not installed."""

    code = "CLO-2501"
    cause = "Signatures need the cryptography library, which comes with the extra `signing`."
    mend = "Install it: pip install 'cloacina[signing]'."


class InvalidSigningKey(SignatureError):
    """Raised when a private key cannot be used for signing."""

    code = "CLO-2502"
    cause = "The file is no OpenSSH private key, is not of type Ed25519, or its passphrase is wrong or missing."
    mend = "Make a key with `ssh-keygen -t ed25519`, or sign with ssh-keygen and attach it: cloacina sign --signature."


class InvalidSignature(SignatureError):
    """Raised when a signature is damaged, or was made for something else."""

    code = "CLO-2503"
    cause = "The signature is not one over this package's fingerprint in the namespace `cloacina-package`."
    mend = "Don't use the package if you did not expect this; get it again from who signed it."


class PackageNotSigned(SignatureError):
    """Raised when the policy requires a signature, and the package has none."""

    code = "CLO-2504"
    cause = "The policy is `require`, and the package holds no signature."
    mend = "Ask for a signed package, or sign it yourself with `cloacina sign` once you trust it."


class UnknownSigner(SignatureError):
    """Raised when a package is signed by a key that is not in the file of allowed signers."""

    code = "CLO-2505"
    cause = "The signature is valid, but its key is not one that you have said to trust for packages."
    mend = "Once you have made sure whose key it is, add its line to the file of allowed signers."


class ExpiredSigner(SignatureError):
    """Raised when a signer's key is outside of the time in which it is allowed."""

    code = "CLO-2506"
    cause = "The line of the key in the file of allowed signers has a valid-after or valid-before that excludes now."
    mend = "Have the package signed with a current key, or correct the line."


class InvalidAllowedSigners(SignatureError):
    """Raised when the file of allowed signers cannot be read or parsed."""

    code = "CLO-2507"
    cause = "The file is missing, or a line of it is not in OpenSSH's allowed_signers format."
    mend = "Correct the line that the message names; the format is that of ssh-keygen(1), ALLOWED SIGNERS."
