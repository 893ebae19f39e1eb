"""How a severity looks: shape, word and order carry it, colour is the fourth cue (safe for colour-blind readers)."""

from __future__ import annotations

from dataclasses import dataclass

LIGHT_PAPER = "#ffffff"
DARK_PAPER = "#14171c"


@dataclass(frozen=True, slots=True)
class Look:
    """`light` and `dark` have a contrast of 3:1 at least against the paper of their mode: for shapes, not for text."""

    word: str
    glyph: str
    light: str
    dark: str


LOOKS = (
    Look("critical", "◆", "#651547", "#f392c8"),
    Look("major", "▲", "#9e4416", "#ff7113"),
    Look("minor", "●", "#b09005", "#f7edb4"),
    Look("info", "○", "#0a6cc2", "#5494eb"),
)
"""Worst first."""

QUIET = Look("ok", "·", "#818a93", "#606870")
"""A device without an active alert."""

GLYPHS = {look.word: look.glyph for look in LOOKS}


def style_variables() -> str:
    """The colours as CSS variables `--critical` … `--ok`, for both modes of the reader's system."""
    looks = (*LOOKS, QUIET)
    light = "".join(f"--{look.word}:{look.light};" for look in looks)
    dark = "".join(f"--{look.word}:{look.dark};" for look in looks)
    return (
        f":root{{--paper:{LIGHT_PAPER};{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--paper:{DARK_PAPER};{dark}}}}}"
    )
