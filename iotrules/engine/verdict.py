"""One sentence: what an alert does now and what it lacks to do anything else."""

from __future__ import annotations

from iotrules.engine.explain_tree import lacking
from iotrules.model.decisions import AlertState
from iotrules.model.evidence import Progress
from iotrules.model.explanation import ClearExplained, LevelExplained, Silence
from iotrules.model.times import duration_words, rough_words


def verdict(
    state: AlertState,
    known: bool,
    levels: tuple[LevelExplained, ...],
    ending: ClearExplained | None,
    silence: Silence | None,
) -> str:
    """The sentence; `levels` of a rule with `absent` are none."""
    if not known:
        return "no message of this key was ever taken, so nothing can be judged"
    if silence is not None:
        return _of_silence(state, silence)
    if state is AlertState.FIRING:
        return _of_firing(levels, ending)
    if state is AlertState.PENDING:
        return _of_pending(levels)
    return _of_quiet(levels)


def _of_silence(state: AlertState, silence: Silence) -> str:
    silent, wanted = silence.progress.held, silence.progress.wanted
    words = f"no message for {rough_words(silent)}"
    if not silence.expected:
        return f"{words}: it is not expected any more"
    if state is AlertState.FIRING:
        return f"firing: {words}"
    if wanted is None:
        return f"{words}; how long is too long is not known yet"
    return f"not silent long enough: {words} of {duration_words(wanted)}"


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


def _of_pending(levels: tuple[LevelExplained, ...]) -> str:
    running = [level for level in levels if level.hold.held or level.tree.value is True] or list(levels)
    top = running[-1]
    if top.hold.frozen or top.tree.value is None:
        return f"pending: held {_of(top.hold)}; the time stands still, since it is unknown: {lacking(top.tree)}"
    return f"pending: held {_of(top.hold)}{_when_due(top.hold)}"


def _when_due(hold: Progress) -> str:
    if hold.wanted is None or hold.held >= hold.wanted:
        return ""
    return f", fires in {rough_words(hold.wanted - hold.held)} if it stays so"


def _of_quiet(levels: tuple[LevelExplained, ...]) -> str:
    lacks = [(level, lacking(level.tree)) for level in levels]
    if any(not words for _, words in lacks):
        return "the condition is true, and will be decided on at the next message or tick"
    parts = [f"{level.severity.word}: {words}" if len(levels) > 1 else words for level, words in lacks]
    kind = "unknown" if all(level.tree.value is None for level in levels) else "not met"
    return f"{kind}: {'; '.join(parts)}"


def _of(progress: Progress) -> str:
    """`40s of 2m`."""
    wanted = "an unknown time" if progress.wanted is None else duration_words(progress.wanted)
    return f"{rough_words(progress.held)} of {wanted}"
