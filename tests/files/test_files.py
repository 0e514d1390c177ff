"""Where output goes, and locks: what a user's machine may have in the place of a file."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from pbgraph.files import locks
from pbgraph.files.locks import exclusive, is_held, locked
from pbgraph.files.writing import check_replaceable, is_special, new_file, new_folder, replaced_file, sweep


def write(path: Path, text: str = "new") -> None:
    with replaced_file(path) as part:
        part.write_text(text)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_the_umask_holds_for_new_files(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with new_file(tmp_path / "b"):
        pass
    with new_folder(tmp_path / "c"):
        pass
    assert [mode(tmp_path / name) for name in "abc"] == [0o600, 0o600, 0o700]


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o664])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "a"
    path.touch()
    path.chmod(bits)
    write(path)
    assert (path.read_text(), mode(path)) == ("new", bits)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/target")
    for text in ("first", "second"):  # the first time it leads to nothing
        write(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "folder" / "target").read_text() == text


def test_a_device_stays_one() -> None:
    write(Path("/dev/null"))
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_is_open_already_is_written_to_and_not_replaced(tmp_path: Path, number: int) -> None:
    name = Path("/dev") / ("stdin", "stdout", "stderr")[number]
    with open(tmp_path / "a", "w+") as file:
        saved = os.dup(number)
        os.dup2(file.fileno(), number)
        try:
            assert is_special(name)
            write(name)
        finally:
            os.dup2(saved, number)
            os.close(saved)
        assert os.fstat(file.fileno()).st_ino == (tmp_path / "a").stat().st_ino
    assert (tmp_path / "a").read_text() == "new"


def test_the_reader_of_a_pipe_gets_what_is_written(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    write(pipe)
    reader.join(timeout=600)
    assert heard == ["new"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


LEFT = """
import os, signal, sys
from collections.abc import Callable
from pathlib import Path
from pbgraph.files.writing import new_folder, replaced_file
with replaced_file(Path(sys.argv[1])) as part, new_folder(Path(sys.argv[2])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.lengthy
def test_what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    path, folder = tmp_path / "file", tmp_path / "folder"
    subprocess.run([sys.executable, "-c", LEFT, str(path), str(folder)], check=False, timeout=600)
    assert len(list(tmp_path.iterdir())) == 2
    with replaced_file(tmp_path / "other") as part:
        sweep(tmp_path)
        assert list(tmp_path.iterdir()) == [part]
    subprocess.run([sys.executable, "-c", LEFT, str(path), str(folder)], check=False, timeout=600)
    write(path)
    with new_folder(folder):
        pass
    assert sorted(tmp_path.iterdir()) == [path, folder, tmp_path / "other"]


def test_without_links_a_new_file_still_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with new_file(tmp_path / "a") as part:
        part.write_text("first")
    with pytest.raises(FileExistsError), new_file(tmp_path / "a") as part:
        part.write_text("second")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "first")]


@pytest.mark.parametrize(
    "name",
    ["new", "old", "none/deeper/new", "folder", "old/new", "x" * 300, "none/" + "x" * 300, "lost", "old/deeper/new"],
)
def test_what_can_be_written_is_known_before_and_leaves_no_trace(tmp_path: Path, name: str) -> None:
    (tmp_path / "old").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "lost").symlink_to("none/there")
    before = sorted(tmp_path.rglob("*"))

    def why_not(write: Callable[[Path], object]) -> int | None:
        try:
            write(tmp_path / name)
        except OSError as error:
            return error.errno
        return None

    said = why_not(check_replaceable)
    assert sorted(tmp_path.rglob("*")) == before
    assert said == why_not(write)
    assert (said is None) == (name in ("new", "old", "none/deeper/new", "lost"))


def test_a_name_of_the_longest_can_be_written(tmp_path: Path) -> None:
    write(tmp_path / ("ä" * 127))
    assert (tmp_path / ("ä" * 127)).read_text() == "new"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_lock_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "a.lock", tmp_path / "target"
    target.write_text("precious")
    {"link": lambda: path.symlink_to(target), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(OSError, match=r"a\.lock"), exclusive(path):
        pass
    assert target.read_text() == "precious"
    assert os.path.lexists(path)


def test_locks_lie_where_only_the_user_writes_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path / "cache"))
    with locked("x") as waited:
        (lock,) = (tmp_path / "cache").rglob("*.lock")
        assert (waited, mode(lock), mode(lock.parent)) == (False, 0o600, 0o700)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_that_others_can_write_gets_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBGRAPH_CACHE", str(tmp_path))
    folder = tmp_path / f"locks-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(OSError, match="others can write"):
        locks._own_folder()
    with locked("x") as waited:
        assert not waited
    assert list(folder.iterdir()) == []


def test_where_there_are_no_locks_nobody_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with exclusive(tmp_path / "lock"):
        assert not is_held(tmp_path / "lock")
    write(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_many_writers_of_one_name_have_parts_of_their_own(tmp_path: Path) -> None:
    with (
        replaced_file(tmp_path / "a") as one,
        replaced_file(tmp_path / "a") as two,
        new_folder(tmp_path / "b") as three,
    ):
        assert len({one, two, three}) == 3
        for path in (one, two):
            path.write_text(path.name)
        name = one.name  # the first block that was entered ends last
    assert (tmp_path / "a").read_text() == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_names_that_begin_alike_and_are_cut_have_parts_of_their_own(tmp_path: Path) -> None:
    with replaced_file(tmp_path / ("x" * 200 + "1")) as one, replaced_file(tmp_path / ("x" * 200 + "2")) as two:
        assert one != two
