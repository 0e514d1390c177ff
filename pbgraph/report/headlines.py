"""What the leaderboard answers, in a sentence for each question, before any table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pbgraph.humanize import plural
from pbgraph.plans.declaration import Study
from pbgraph.plans.presets import studies
from pbgraph.report.board import Board
from pbgraph.report.wording import gains


@dataclass(frozen=True)
class Headline:
    """A question, its answer, with what is between ** strong, and the anchor of the table that it is from."""

    question: str
    answer: str
    anchor: str


def headlines(boards: Sequence[Board]) -> list[Headline]:
    """The questions of these tables: does it help, where; of a study its own; which row is best."""
    of_study = {part.recipe.name: study for study in studies().values() for part in study.presets}
    found, asked = [], set[tuple[str, str, str]]()
    for board in boards:
        study = of_study.get(board.preset)
        if study is None:
            found += _of_one(board)
        elif (which := (board.task, board.split, study.name)) not in asked:
            asked.add(which)
            parts = [one for one in boards if of_study.get(one.preset) == study and _place(one) == _place(board)]
            found.append(_of_study(study, parts))
    return found


def _place(board: Board) -> tuple[str, str]:
    return board.task, board.split


def _of_one(board: Board) -> list[Headline]:
    where = f"{board.task}, {board.split} split, preset {board.preset}"
    found = []
    if board.said.answers:
        question = f"Do dendrites help on {where}?"
        found.append(Headline(question, " ".join(board.said.answers), board.anchor))
    if board.best:
        found.append(Headline(f"What is best on {where}?", board.best, board.anchor))
    return found


def _of_study(study: Study, parts: Sequence[Board]) -> Headline:
    """How many of its parts show a gain from dendrites."""
    said = [gain for board in parts for gain in gains(board.table)]
    shown, open_ = sum(gain is True for gain in said), sum(gain is None for gain in said)
    words = f"**A gain from dendrites was shown in {shown} of {plural(len(said), 'case')}**"
    unanswered = f"; {open_} have no answer yet" if open_ else ""
    return Headline(f"Study {study.name}: {study.summary}", f"{words}{unanswered}.", parts[0].anchor)
