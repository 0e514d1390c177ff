"""Text in LaTeX: every character stands for itself, in the encodings T1 and OT1, and is as wide as is told here.

Widths are those of Computer Modern; they are needed since a table has to be made to fit before TeX sees it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "`": r"\textasciigrave{}",
    "±": r"\ensuremath{\pm}",
    "·": r"\ensuremath{\cdot}",
    "×": r"\ensuremath{\times}",
    "²": r"\ensuremath{^2}",
    "³": r"\ensuremath{^3}",
    "µ": r"\ensuremath{\mu}",
    "°": r"\ensuremath{^\circ}",
    "−": r"\ensuremath{-}",
    "≤": r"\ensuremath{\leq}",
    "≥": r"\ensuremath{\geq}",
    "→": r"\ensuremath{\rightarrow}",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\xa0": "~",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ı": r"\i{}",
}
ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0304": r"\=",
    "\u0306": r"\u",
    "\u0307": r"\.",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030b": r"\H",
    "\u030c": r"\v",
    "\u0327": r"\c",
}
CAPITALS = ("Alpha", "Beta", "Epsilon", "Zeta", "Eta", "Iota", "Kappa", "Mu", "Nu", "Omicron", "Rho", "Tau", "Chi")
GREEK = {  # that TeX calls otherwise than Unicode does, or not at all
    **dict(zip(CAPITALS, "ABEZHIKMNOPTX", strict=True)),
    "omicron": "o",
    "final sigma": r"\ensuremath{\varsigma}",
    "lamda": r"\ensuremath{\lambda}",
    "Lamda": r"\ensuremath{\Lambda}",
}
LETTERS = {*map(str.lower, GREEK), "gamma", "delta", "theta", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"}
NEGATIVE = re.compile(r"(?<![^\s\[(])-(?=[\d.])|(?<= )-(?= )")  # a sign, or the one between two things
RANGE = re.compile(r"(?<=\bseeds )(\d+)-(\d+)")
QUOTED = re.compile(r'"([^"]*)"')
BREAKS = re.compile(r"(?<=[-/=:+_·;&|])(?=\S)|(?<=,)(?=[^\d\s])")  # behind these, a word may go on in the next line
SHORT = 10  # characters of a word that is never broken
LONG_WORD = 62.0  # pt of one that is broken anywhere rather than to widen a column
SIZES = {10.0: 1.0, 9.0: 1.028, 8.0: 1.0625}  # smaller letters are wider than in proportion
BOLD = 1.17  # how much wider at most
WIDTHS = {  # of letters of 10 pt, in pt; others are taken for as wide as the widest
    **dict.fromkeys("0123456789ago/?", 5.0),
    **dict.fromkeys("bdhknpquvxy_", 5.56),
    **dict.fromkeys("cerstz", 4.5),
    **dict.fromkeys("fijl.,:;[]!'|", 3.06),
    **dict.fromkeys("()- ", 3.89),
    **dict.fromkeys("AFLPTEZSIJ", 7.3),
}
WIDEST = 7.85
NAMED = 45.0  # a character that is named by its number
VERY_WIDE = dict.fromkeys("mMWw@%", 10.3)


def escaped(text: str) -> str:
    r"""Text in which every character stands for itself; what neither encoding can set is named by its number.

    >>> print(escaped("a_b & 5 %, café δ 中"))
    a\_b \& 5 \%, caf\'{e} \ensuremath{\delta} [U+4E2D]
    """
    return "".join(map(_character, text))


def _character(one: str) -> str:
    if one in SPECIAL:
        return SPECIAL[one]
    if " " <= one <= "~":
        return one
    parts = unicodedata.normalize("NFD", one)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS:
        base = rf"\{parts[0]}" if parts[0] in "ij" else parts[0]  # without their dots
        return f"{ACCENTS[parts[1]]}{{{base}}}"
    return _greek(one) or f"[U+{ord(one):04X}]"


def _greek(one: str) -> str:
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER ((?:FINAL )?[A-Z]+)", unicodedata.name(one, ""))
    if found is None:
        return ""
    name = found[2].lower() if found[1] == "SMALL" else found[2].capitalize()
    return GREEK.get(name, rf"\ensuremath{{\{name}}}") if name.lower() in LETTERS else ""


def set_text(text: str, *, room: float | None = None, size: float = 10.0) -> str:
    r"""Escaped text with real minus signs. With `room`, in pt, long words may go on in the next line behind their
    signs, and where that is not enough, anywhere; TeX itself breaks behind hyphens.

    >>> print(set_text("features=graph+descriptors, -0.5", room=300.0))
    features=\allowbreak{}graph+\allowbreak{}descriptors, \ensuremath{-}0.5
    """
    signed = QUOTED.sub(r"“\1”", RANGE.sub(r"\1–\2", NEGATIVE.sub("−", text)))
    if room is None:
        return escaped(signed)
    return "".join(_broken(word, room, size) for word in re.split(r"( +)", signed))


def _broken(word: str, room: float, size: float) -> str:
    if len(word) <= SHORT:
        return escaped(word)
    pieces = list(map(escaped, _pieces(word, room, size)))
    breaks = ("" if piece.endswith("-") else r"\allowbreak{}" for piece in pieces)
    return "".join(part for pair in zip(pieces, breaks, strict=True) for part in pair).removesuffix(r"\allowbreak{}")


def _pieces(word: str, room: float, size: float) -> Iterator[str]:
    for piece in filter(None, BREAKS.split(word)):
        if width(piece, size) <= room:
            yield piece
        else:
            yield from piece


def lines_of(text: str, room: float, size: float) -> list[str]:
    """Text in lines that are at most this wide where its words, and the parts of long ones, allow it."""
    lines = [""]
    for word in text.split():
        for number, piece in enumerate(_pieces(word, max(room, LONG_WORD), size) if len(word) > SHORT else [word]):
            joined = f"{lines[-1]}{' ' if lines[-1] and not number else ''}{piece}"
            if lines[-1] and width(joined, size) > room:
                lines.append(piece)
            else:
                lines[-1] = joined
    return lines


def width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line is at most, in pt; size: of its letters."""
    set_as = NEGATIVE.sub("−", text)
    natural = sum(
        VERY_WIDE.get(one) or WIDTHS.get(one) or (WIDEST if len(escaped(one)) == 1 or one in "±−·²%#&" else NAMED)
        for one in set_as
    )
    return natural * size / 10 * SIZES[size] * (BOLD if bold else 1.0)
