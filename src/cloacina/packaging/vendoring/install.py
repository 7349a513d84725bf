"""uv installs the wheels of each target into a folder of its own, several targets at a time."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloacina.errors import DependencyError
from cloacina.packaging.archive.standard_library import standard_library_names
from cloacina.packaging.locking import ProcessGroup, run_uv, wheels_by_index
from cloacina.packaging.vendoring.tidying import tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from cloacina.packaging.locking import Lock, SelectedWheel, Uv
    from cloacina.packaging.targets import Target
    from cloacina.packaging.vendoring.site import Site

_AT_ONCE: Final = 4  # each uv has several threads itself


def vendor(
    lock: Lock,
    uv: Uv,
    folder: Path,
    *,
    offline: bool = False,
    on_target: Callable[[Site], None] | None = None,
) -> tuple[Site, ...]:
    """Install the wheels that a lock selects, for each of its targets.

    Args:
        lock: The wheels, and the indexes that have them.
        uv: What installs them.
        folder: An existing, empty folder; each target gets one in it.
        offline: Whether to take wheels from uv's cache only.
        on_target: Called when a target is done, in the thread of the caller.

    Returns:
        What is packed for each target, in the order of the lock.

    Raises:
        DependencyError: A wheel cannot be had, or is not the one that was locked.
        UnpackableFile: A wheel holds a file that a package cannot hold.
    """
    # What several targets share is in one folder, from which the Pythons of all of them import.
    reserved = frozenset[str]().union(*(standard_library_names(_version(target)) for target in lock.wheels))
    with (
        ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cloacina-vendor") as pool,
        # Left first, and by an error it ends the processes that the threads of the pool wait for.
        ProcessGroup() as processes,
    ):
        installer = _Installer(uv, lock, processes, is_offline=offline)

        def install(target: Target, wheels: Sequence[SelectedWheel]) -> Site:
            site = folder / target.name
            site.mkdir()
            installer.install(target, wheels, site)
            return tidy(site, target, wheels, reserved=reserved)

        futures = {pool.submit(install, target, wheels): target for target, wheels in lock.wheels.items()}
        try:
            return _collect(futures, on_target)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _collect(futures: Mapping[Future[Site], Target], on_target: Callable[[Site], None] | None) -> tuple[Site, ...]:
    for future in as_completed(futures):
        # What is wrong with a wheel is wrong for several targets: the one that is told of is always the first.
        if future.exception() is not None:
            break
        if on_target is not None:
            on_target(future.result())
    return tuple(future.result() for future in futures)


@dataclass(frozen=True, slots=True)
class _Installer:
    """Installs exactly the wheels that it is given: their hashes leave uv no choice."""

    uv: Uv
    lock: Lock
    processes: ProcessGroup
    is_offline: bool

    def install(self, target: Target, wheels: Sequence[SelectedWheel], folder: Path) -> None:
        requirements = folder.with_name(f"{target.name}.txt")
        for variables, wheels_of_index in wheels_by_index(wheels):
            lines = (f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels_of_index)
            requirements.write_text("".join(lines), encoding="utf-8")
            try:
                # Which wheels it is going to be is known, so there is nothing to ask an index if the cache holds them.
                self._run(target, requirements, folder, variables, offline=True)
            except DependencyError:
                if self.is_offline:
                    raise
                self._run(target, requirements, folder, variables, offline=False)

    def _run(
        self, target: Target, requirements: Path, folder: Path, variables: Mapping[str, str], *, offline: bool
    ) -> None:
        environment = dict(variables)
        if target.deployment_target is not None:
            environment["MACOSX_DEPLOYMENT_TARGET"] = target.deployment_target
        arguments = [
            *("pip", "install"),
            *("--target", str(folder)),
            *("--python", sys.executable),
            *("--python-platform", target.uv_platform),
            *("--python-version", self.lock.python_versions[target]),
            *("--only-binary", ":all:"),
            "--no-deps",
            "--require-hashes",
            # Copies are thrown away after the packing, which for hundreds of megabytes takes longer than the packing.
            # Nothing writes to what is installed here, so what it shares with uv's cache is safe.
            *("--link-mode", "hardlink"),
            "--no-config",
            *("--requirements", str(requirements)),
        ]
        run_uv(
            self.uv,
            arguments,
            folder=folder,
            offline=offline,
            environment=environment,
            processes=self.processes,
        )


def _version(target: Target) -> tuple[int, int]:
    major, minor = target.python.split(".")
    return int(major), int(minor)
