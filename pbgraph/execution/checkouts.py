"""The git checkout that a file or folder is part of, if it is, and the hash of its code."""

from __future__ import annotations

import os
import subprocess
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from pbgraph.files.hashing import canonical_json, sha256

CODE = (".py", *EXTENSION_SUFFIXES)


def checkout(path: Path) -> tuple[str, bool]:
    """(commit, whether there are changes in `path`) of the checkout that keeps it; ("", False) if none does.

    Where git does not say what was changed, something counts as changed.
    A package that is installed into a folder within a checkout, but is not kept there, is none of its own.
    """
    folder = path if path.is_dir() else path.parent
    if not git(folder, "ls-files", "--", str(path)):
        return "", False
    return git(folder, "rev-parse", "HEAD") or "", git(folder, "status", "--porcelain", "--", str(path)) != ""


def git(folder: Path, *arguments: str) -> str | None:
    """What git answers of a folder, whatever the environment names; None if it is missing or refuses."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    words = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.decode(errors="replace").strip()


def files_sha256(root: Path) -> str:
    """The hash of a package's code files, or of a module that is a single file; "" if there are none."""
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.name.endswith(CODE))
    listed = [(path.relative_to(root.parent).as_posix(), sha256(path.read_bytes())) for path in files if path.is_file()]
    return sha256(canonical_json(sorted(listed))) if listed else ""
