"""From a project to a package: `build_package`, and `plan_build`, which only looks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloacina.errors import StaleLock
from cloacina.packaging.archive import Member
from cloacina.packaging.building.making import BuildOptions, find_tasks, make_archive
from cloacina.packaging.building.output import check_output, put_in_place
from cloacina.packaging.building.progress import NoProgress
from cloacina.packaging.building.reproducibility import check_reproducible as compare_with_second_build
from cloacina.packaging.building.result import BuildPlan, BuildResult
from cloacina.packaging.building.snapshot import take_snapshot
from cloacina.packaging.building.source_date import source_date_epoch
from cloacina.packaging.building.summaries import project_summary, tasks_summary, wheels_summary
from cloacina.packaging.building.temporary import private_folder, remove_all_but
from cloacina.packaging.isolated.import_check import DEFAULT_DEADLINE, check_import
from cloacina.packaging.locking import export_lock, find_lock_file, find_uv
from cloacina.packaging.locking.lock_file import read_lock_file, restore_lock_file
from cloacina.packaging.signing import load_private_key, sign_fingerprint
from cloacina.packaging.sources import select_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from cloacina.packaging.building.making import Made
    from cloacina.packaging.building.progress import BuildProgress
    from cloacina.packaging.isolated.import_check import ImportCheck
    from cloacina.packaging.project import Project
    from cloacina.packaging.signing import SigningKey


def build_package(
    folder: Path,
    output: Path | None = None,
    *,
    platforms: Iterable[str] | None = None,
    pythons: Iterable[str] | None = None,
    locked: bool = False,
    offline: bool = False,
    signing_key: Path | None = None,
    passphrase: Callable[[], str] | None = None,
    check_reproducible: bool = False,
    allow_untested_uv: bool = False,
    import_deadline: float = DEFAULT_DEADLINE,
    progress: BuildProgress | None = None,
) -> BuildResult:
    """Build a project into one package for all of its targets.

    The package is read back and imported before it is put in place. Until then everything happens in a private
    temporary folder, which is removed however the build ends: what was at the place before is untouched, and a build
    that fails also leaves `uv.lock` as it was.

    The same project, lock and `SOURCE_DATE_EPOCH` give the same bytes on every machine.

    Args:
        folder: The project's folder, with its pyproject.toml.
        output: The folder for the package, by default `dist` in the project. It is made if it does not exist.
        platforms: What to build for in place of the project's targets: names out of `PLATFORMS`.
        pythons: The versions of Python to build for in place of the project's, such as `["3.11", "3.12"]`.
        locked: Whether to refuse a lock that does not fit pyproject.toml, instead of updating it.
        offline: Whether to use uv's cache only.
        signing_key: A private key in OpenSSH's format, with which the package is signed.
        passphrase: Called when the key has a passphrase, before anything is built.
        check_reproducible: Whether to build a second time, from a copy in another folder, and to compare the bytes.
        allow_untested_uv: Whether to use a version of uv that Cloacina was not tested with.
        import_deadline: For how many seconds the import check waits for an import.
        progress: What is told about the steps.

    Returns:
        What was built.

    Raises:
        InvalidOption: A platform, a Python or `SOURCE_DATE_EPOCH` is not usable.
        ProjectError: The project cannot be a package as it is.
        DefinitionError: Its tasks make no workflow: `DuplicateTask`, `UnknownDependency`, `DependencyCycle`.
        DependencyError: Its dependencies cannot be locked or installed.
        SignatureError: The key cannot be used.
        BuildError: The package does not import, is not reproducible, or cannot be written.

    Example:
        ```python
        from pathlib import Path

        from cloacina.packaging import build_package

        Path("tasks.py").write_text(
            '''
        from cloacina import Context, task

        @task
        def greet(context: Context) -> None:
            context["text"] = "Hello"
        '''
        )
        Path("pyproject.toml").write_text(
            '''
            [project]
            name = "greeting"
            version = "1.0"
            requires-python = ">=3.11"

            [tool.cloacina]
            entry_module = "tasks"
            targets = ["linux-x86_64"]
            '''
        )
        result = build_package(Path())
        print(result.path, [task.id for task in result.discovery.tasks])
        #> dist/greeting-1.0.cloacina ['greet']
        ```
    """
    progress = progress or NoProgress()
    options = _options(platforms, pythons, locked=locked, offline=offline, allow_untested_uv=allow_untested_uv)
    source_date_epoch()  # what is wrong with it is said before anything else is done
    project = options.read(folder)
    path = (folder / "dist" if output is None else output) / f"{project.name}-{project.version}.cloacina"
    check_output(path)
    # Whoever has to type a passphrase does so before the display begins.
    key = None if signing_key is None else load_private_key(signing_key, passphrase)
    progress.begin("project")
    signatures: list[Member] = []

    def sign(fingerprint: str) -> Sequence[Member]:
        if key is not None:
            signatures.append(_sign(fingerprint, key, progress))
        return signatures

    with private_folder() as private, _lock_kept_on_failure(project, options):
        made = make_archive(project, private, options, sign=sign, progress=progress)
        checks = _check_import(made, private / "import", import_deadline, progress)
        if check_reproducible:
            progress.begin("reproduce")
            compare_with_second_build(project, made, private / "again", options, signatures)
            progress.end("reproduce", "another folder, the same bytes")
        # Putting it in place is the last thing that is done, so that an interruption is before it and not after it.
        remove_all_but(made.archive)
        put_in_place(made.archive, path)
    for note in made.notes:
        progress.note(note)
    return BuildResult(
        path=path,
        name=project.name,
        version=project.version,
        fingerprint=made.package.fingerprint,
        packed_size=made.package.packed_size,
        unpacked_size=made.package.unpacked_size,
        targets=made.targets,
        discovery=made.discovery,
        selection=made.selection,
        wheels=made.lock.wheels,
        lock_change=made.lock_change,
        import_checks=checks,
        signed_by=None if key is None else key.public.fingerprint,
        is_reproduced=True if check_reproducible else None,
        notes=made.notes,
    )


def plan_build(
    folder: Path,
    output: Path | None = None,
    *,
    platforms: Iterable[str] | None = None,
    pythons: Iterable[str] | None = None,
    locked: bool = False,
    offline: bool = False,
    allow_untested_uv: bool = False,
    progress: BuildProgress | None = None,
) -> BuildPlan:
    """Say what a build would do: find the tasks, the files and the wheels, and write nothing.

    No wheel is downloaded, and `uv.lock` is not touched: where it does not fit pyproject.toml, the plan says so and
    names no wheels.

    Args:
        folder: The project's folder.
        output: The folder for the package, by default `dist` in the project.
        platforms: What to build for in place of the project's targets.
        pythons: The versions of Python to build for in place of the project's.
        locked: Whether a lock that does not fit pyproject.toml is an error.
        offline: Whether to use uv's cache only.
        allow_untested_uv: Whether to use a version of uv that Cloacina was not tested with.
        progress: What is told about the steps.

    Returns:
        The plan.

    Raises:
        InvalidOption: A platform, a Python or `SOURCE_DATE_EPOCH` is not usable.
        ProjectError: The project cannot be a package as it is.
        DefinitionError: Its tasks make no workflow: `DuplicateTask`, `UnknownDependency`, `DependencyCycle`.
        DependencyError: Its dependencies cannot be packaged; with `locked` also `StaleLock`.
        OutputNotWritable: The package could not be written.
    """
    progress = progress or NoProgress()
    options = _options(platforms, pythons, locked=locked, offline=offline, allow_untested_uv=allow_untested_uv)
    source_date_epoch()
    progress.begin("project")
    project = options.read(folder)
    path = (folder / "dist" if output is None else output) / f"{project.name}-{project.version}.cloacina"
    check_output(path)
    targets = project.targets()
    selection = select_sources(project)
    progress.end("project", project_summary(project, selection))
    progress.begin("discover")
    with private_folder() as private:
        # As in a build, what is not packed cannot be imported, and declares no task.
        snapshot = take_snapshot(project, selection, private / "project")
        discovery = find_tasks(project, snapshot)
    progress.end("discover", tasks_summary(discovery))
    progress.begin("wheels")
    wheels, stale = None, None
    try:
        wheels = export_lock(project, find_uv(allow_untested=allow_untested_uv), targets, offline=offline).wheels
        progress.end("wheels", wheels_summary(wheels))
    except StaleLock as error:
        if locked:
            raise
        stale = error.message
        progress.end("wheels", "not known before uv.lock is updated")
    return BuildPlan(project, path, targets, discovery, selection, wheels, stale)


def _options(
    platforms: Iterable[str] | None,
    pythons: Iterable[str] | None,
    *,
    locked: bool,
    offline: bool,
    allow_untested_uv: bool,
) -> BuildOptions:
    return BuildOptions(
        platforms=None if platforms is None else tuple(platforms),
        pythons=None if pythons is None else tuple(pythons),
        locked=locked,
        offline=offline,
        allow_untested_uv=allow_untested_uv,
    )


@contextmanager
def _lock_kept_on_failure(project: Project, options: BuildOptions) -> Generator[None]:
    """Put the project's `uv.lock` back as it was when the block is left by an error, Ctrl+C included."""
    if options.locked:
        yield  # nothing in the block writes it
        return
    path = find_lock_file(project, find_uv(allow_untested=options.allow_untested_uv))
    before = read_lock_file(path)
    try:
        yield
    except BaseException:
        restore_lock_file(path, before)
        raise


def _sign(fingerprint: str, key: SigningKey, progress: BuildProgress) -> Member:
    progress.begin("sign")
    armored = sign_fingerprint(fingerprint, key)
    progress.end("sign", key.public.fingerprint)
    return Member(f"signatures/{key.public.file_name}", armored.encode("ascii"))


def _check_import(made: Made, folder: Path, deadline: float, progress: BuildProgress) -> tuple[ImportCheck, ...]:
    progress.begin("import")
    folder.mkdir()
    checks = check_import(made.archive, made.package.manifest, made.targets, folder, uv=made.uv, deadline=deadline)
    checked = [check.target for check in checks if check.target is not None and check.is_checked]
    progress.end("import", ", ".join(checked) or "not checked")
    for check in checks:
        if not check.is_checked:
            progress.note(f"{check.target or 'The package'} was not imported: {check.reason}")
    return checks
