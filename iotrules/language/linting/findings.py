"""The kinds of findings, and one finding at its place."""

from __future__ import annotations

from dataclasses import dataclass

from iotrules.model.errors import Problem


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be found. An `info` is told on request only: what it names may well be meant."""

    code: str
    name: str
    why: str
    info: bool = False


KINDS = {
    kind.code: kind
    for kind in (
        Kind("L001", "clear-overlaps-raise", "some values raise the alert and clear it"),
        Kind(
            "L002", "no-hysteresis", "without clear, an alert comes and goes while its value moves about the line", True
        ),
        Kind("L003", "for-below-interval", "one message is enough to fulfil a for that is shorter than the interval"),
        Kind("L004", "absent-below-interval", "a device that reports as it should is silent for that long"),
        Kind("L005", "same-condition", "two rules watch for the same and raise two alerts"),
        Kind("L006", "never-true", "a condition, or a part of it, can't be true with the values that can arrive"),
        Kind("L007", "always-true", "a condition, or a part of it, is true with every value that can arrive"),
        Kind("L008", "no-deduplication", "with neither id nor time, a message that comes twice counts twice"),
        Kind("L009", "devices-mixed", "without all captures in by, several devices share one state"),
        Kind("L010", "useless-allowance", "a comment that allows a finding has a reason and something to allow"),
        Kind("L011", "mutes-nothing", "a rule without an alert notifies nobody, so there is nothing to mute"),
        Kind("L012", "holds-nothing-back", "a schedule that is always open, or a downtime without for, says nothing"),
        Kind("L013", "shorter-than-interval", "between two messages that come as they should, all is too old already"),
        Kind("L014", "every-for-nothing", "conditions without windows, ages and hours change with messages only"),
        Kind("L015", "late-differs", "in a sequence, what waits longer than the others comes after them"),
        Kind("L016", "unreachable-level", "a level that is never reached without a higher one is never seen"),
        Kind("L017", "absent-below-late", "while older messages are waited for, nobody knows that there are none"),
        Kind("L018", "too-few-samples", "a window that has fewer samples than it needs is never known"),
        Kind("L019", "window-below-interval", "a window that is shorter than the interval has one sample at most"),
        Kind("L020", "count-out-of-reach", "in a window there are no more samples than the interval lets come"),
        Kind("L021", "moment-held", "what is true at one message only can't hold until the next ones"),
        Kind("L022", "expected-too-short", "a device that is not expected any more is not silent"),
        Kind("L023", "opposed-commands", "two rules that fire together tell a device to do opposite things"),
    )
}
"""By code, in the order of the codes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`problem` says where, what, why and (its hint) the remedy; `anchor` is the line of the rule's (stream's) name.

    `template` is the file and line of the template that the rule is made from, if it is.
    """

    code: str
    problem: Problem
    anchor: int
    template: tuple[str, int] | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.code]
