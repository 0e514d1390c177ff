"""An environment of its own for packages that tests install; it sees all that the tests' own environment holds."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import forked
from pbgraph import bench
from pbgraph.execution import numerics
from pbgraph.plans.presets import PLANS
from pbgraph.testing.find import REGISTRIES

PLUGIN = Path(__file__).parent / "plugin"  # a third party's package
PIP = ("install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation")


@dataclass(frozen=True)
class Isolated:
    """Its interpreter, and the variables to start it with.

    Among these, one thread per library: tests run side by side, and threads that wait for each other on busy cores take
    many times as long as one.
    """

    python: Path
    env: dict[str, str]

    def install(self, *folders: Path) -> None:
        """Build and install packages, offline, with what is there."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *PIP, *map(str, folders)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr

    def words(self, *argv: object) -> list[str]:
        """A command of pbgraph, to be started with `env`."""
        return [str(self.python), "-P", "-m", "pbgraph.bench", *map(str, argv)]

    def run(self, *argv: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
        """What a command of pbgraph answers, in a folder of the test's own; see `forked`."""
        return forked.run(self.words(*argv), env={**self.env, **env}, cwd=cwd, timeout=600)

    def here(self, patch: pytest.MonkeyPatch, said: pytest.CaptureFixture[str], cwd: Path) -> Here:
        """Its commands in this process: its packages are found, and those that the process knew, forgotten.

        Where a test needs no interpreter of its own, it so saves the seconds that one takes to import everything.
        Workers are processes all the same, and find what this one finds.
        """
        (packages,) = (self.python.parents[1] / "lib").glob("python*/site-packages")
        patch.syspath_prepend(packages)
        patch.setenv("PBGRAPH_CACHE", self.env["PBGRAPH_CACHE"])
        patch.chdir(cwd)
        for registry in (*REGISTRIES.values(), PLANS):
            patch.setitem(vars(registry), "_entries", type(registry)(registry.kind, registry.group, object)._entries)
            patch.setattr(registry, "_loaded", {})

        def run(*argv: object, **env: str) -> subprocess.CompletedProcess[str]:
            words = [str(word) for word in argv]
            said.readouterr()
            with pytest.MonkeyPatch.context() as inner:
                for name, value in env.items():
                    inner.setenv(name, value)
                code = bench.main(words)
            return subprocess.CompletedProcess(words, code, *said.readouterr())

        return run


Here = Callable[..., subprocess.CompletedProcess[str]]


def isolated(folder: Path, *packages: Path) -> Isolated:
    """A new environment in `folder`, with these packages and a cache of its own."""
    venv.create(folder / "env", with_pip=False, symlinks=True)
    (packages_folder,) = (folder / "env" / "lib").glob("python*/site-packages")
    lines = [f"import site; site.addsitedir({found!r})" for found in site.getsitepackages()]
    (packages_folder / "tests_own.pth").write_text("\n".join(lines) + "\n")
    env = {**os.environ, **numerics.ONE_THREAD, "PBGRAPH_CACHE": str(folder / "cache")}
    made = Isolated(folder / "env" / "bin" / "python", env)
    if packages:
        made.install(*packages)
    return made
