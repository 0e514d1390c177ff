"""The git checkout that a file or folder is part of, if it is."""

from __future__ import annotations

import subprocess
from pathlib import Path


def checkout(path: Path) -> tuple[str, bool]:
    """(commit, whether there are changes in `path`) of the checkout that keeps it; ("", False) if none does.

    A package that is installed into a folder within a checkout, but is not kept there, is none of its own.
    """
    folder = path if path.is_dir() else path.parent
    if not git(folder, "ls-files", "--", str(path)):
        return "", False
    return git(folder, "rev-parse", "HEAD"), bool(git(folder, "status", "--porcelain", "--", str(path)))


def git(folder: Path, *arguments: str) -> str:
    """What git answers in a folder, or "" if it is not there or refuses."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()
