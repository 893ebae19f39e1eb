"""One sentence: what an alert does now and what it lacks to do anything else."""

from __future__ import annotations

from iotrules.engine.explain_tree import lacking
from iotrules.engine.held_back import HeldBack
from iotrules.model.decisions import AlertState
from iotrules.model.evidence import Progress
from iotrules.model.explanation import ClearExplained, LevelExplained, Silence
from iotrules.model.times import duration_words, rough_words

NOT_DECIDED = "; it is due, and not decided on yet"


def verdict(
    state: AlertState,
    known: bool,
    levels: tuple[LevelExplained, ...],
    ending: ClearExplained | None,
    silence: Silence | None,
    back: HeldBack,
) -> str:
    """The sentence; `levels` of a rule with `absent` are none."""
    if not known:
        return "no message of this key was ever taken, so nothing can be judged"
    if silence is not None:
        return _of_silence(state, silence, back)
    if state is AlertState.FIRING:
        return _of_firing(levels, ending)
    if state is AlertState.PENDING:
        return _of_pending(levels, back)
    return _of_quiet(levels, back)


def is_overdue(state: AlertState, levels: tuple[LevelExplained, ...], silence: Silence | None, back: HeldBack) -> bool:
    """Should it fire by now, and nothing but a decision is lacking?"""
    if state is AlertState.FIRING or back.closed or back.refused:
        return False
    if silence is not None:
        return silence.expected and _is_over(silence.progress)
    return any(level.tree.value is True and _is_over(level.hold) for level in levels)


def _is_over(progress: Progress) -> bool:
    return progress.wanted is not None and not progress.frozen and progress.held >= progress.wanted


def _of_silence(state: AlertState, silence: Silence, back: HeldBack) -> str:
    said = "no message for" if silence.heard else "in the registry, and never heard for"
    words, wanted = f"{said} {rough_words(silence.silent)}", silence.progress.wanted
    if state is AlertState.FIRING:
        return f"firing: {words}"
    if not silence.expected:
        return f"{words}: it is not expected any more"
    if wanted is None:
        return f"{words}; how long is too long is not known yet"
    counts = silence.progress.held
    words += f" of {duration_words(wanted)}" if counts == silence.silent else f", {_of(silence.progress)} count"
    if counts < wanted:
        return f"not silent long enough: {words}{back.when_words(back.at + wanted - counts)}"
    return f"silent for long enough: {words}{back.when_words(back.at) or NOT_DECIDED}"


def _of_firing(levels: tuple[LevelExplained, ...], ending: ClearExplained | None) -> str:
    latched = [level for level in levels if level.latched]
    top = latched[-1] if latched else levels[0]
    return f"firing at {top.severity.word}; {_end_words(top, ending or top.clear)}"


def _end_words(level: LevelExplained, clear: ClearExplained) -> str:
    """What is lacking for the end."""
    if clear.progress.held and clear.progress.wanted:
        return f"it ends by itself: {_of(clear.progress)}"
    lacks = lacking(clear.tree, clear.wanted)
    if not lacks and level.tree.value is True:
        return "its clear is met, but so is its condition, which wins"
    return f"to end: {lacks}" if lacks else "what ends it is met"


def _of_pending(levels: tuple[LevelExplained, ...], back: HeldBack) -> str:
    running = [level for level in levels if level.hold.held or level.tree.value is True] or list(levels)
    top = running[-1]
    held = f"met for {rough_words(top.hold.held)}" if top.hold.wanted == 0 else f"held {_of(top.hold)}"
    if top.hold.frozen or top.tree.value is None:
        closed = back.closed_words()
        unknown = f"the time stands still, since it is unknown: {lacking(top.tree)}"
        return f"pending: {held}; {unknown}{closed and f'; {closed}'}"
    return f"pending: {held}{_when_due(top.hold, back)}"


def _when_due(hold: Progress, back: HeldBack) -> str:
    if hold.wanted is None:
        return back.when_words(back.at) if back.closed or back.refused else ""
    left = max(0, hold.wanted - hold.held)
    plainly = f", fires in {rough_words(left)} if it stays so" if left else NOT_DECIDED
    return back.when_words(back.at + left) or plainly


def _of_quiet(levels: tuple[LevelExplained, ...], back: HeldBack) -> str:
    lacks = [(level, lacking(level.tree)) for level in levels]
    if any(not words for _, words in lacks):
        if back.closed or back.refused:
            return f"the condition is true{back.when_words(back.at)}"
        return "the condition is true, and will be decided on at the next message or tick"
    parts = [f"{level.severity.word}: {words}" if len(levels) > 1 else words for level, words in lacks]
    kind = "unknown" if all(level.tree.value is None for level in levels) else "not met"
    closed = back.closed_words()
    return f"{kind}: {'; '.join(parts)}{closed and f'; and it is {closed}'}"


def _of(progress: Progress) -> str:
    """`40s of 2m`."""
    wanted = "an unknown time" if progress.wanted is None else duration_words(progress.wanted)
    return f"{rough_words(progress.held)} of {wanted}"
