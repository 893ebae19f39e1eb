"""Alerts that the engine raises about a rule itself: it fails (`RULE/failed`), or has too many (`RULE/overflow`).

House rule: one of each kind for a rule, whatever the number of its keys, with exactly one raise and one resolve an
episode. No rule of a file can be called so. They run no steps, and a rule with `alert: false` raises them too.
"""

from __future__ import annotations

import msgspec

from iotrules.engine.state import State
from iotrules.engine.stored import OwnAlert
from iotrules.model.decisions import ActiveAlert, AlertState, Decision, Evidence, Key, Transition
from iotrules.model.expression import Value
from iotrules.model.rules import Severity

EVERY_KEY = Key(())


def raise_own(state: State, name: str, why: str, summary: str, now: int, decision: Decision) -> OwnAlert:
    """The alert, which fires from now on if it did not; severity major."""
    found = state.own.get(name) or OwnAlert()
    if not found.firing:
        found = OwnAlert(True, max(decision.sequence, found.episode + 1), found.number + 1, summary, now)
        state.own[name] = found
        decision.transitions.append(_transition(name, found, why, now))
    state.mark(("own", name))
    return found


def end_own(state: State, name: str, why: str, now: int, decision: Decision) -> None:
    """Resolve the alert, if it fires."""
    found = state.own.get(name)
    if found is not None and found.firing:
        found = state.own[name] = msgspec.structs.replace(found, firing=False, number=found.number + 1)
        state.mark(("own", name))
        decision.transitions.append(_transition(name, found, why, now))


def active_alerts(state: State) -> list[ActiveAlert]:
    """Those that fire now."""
    return [
        ActiveAlert(name, EVERY_KEY, AlertState.FIRING, Severity.MAJOR)
        for name, found in state.own.items()
        if found.firing
    ]


def _transition(name: str, alert: OwnAlert, why: str, now: int) -> Transition:
    after = AlertState.FIRING if alert.firing else AlertState.RESOLVED
    about = ("the engine watches its rules", ())
    return own_transition(name, EVERY_KEY, (alert.episode, alert.number), after, Severity.MAJOR, now, why,
                          alert.summary, about)  # fmt: skip


def own_transition(
    name: str,
    key: Key,
    numbers: tuple[int, int],
    after: AlertState,
    severity: Severity,
    now: int,
    why: str,
    summary: str,
    about: tuple[str, tuple[tuple[str, Value | None], ...]],
) -> Transition:
    """A raise or a resolve at our clock's `now`; `numbers` are episode and transition, `about` is its evidence."""
    before = AlertState.INACTIVE if after is AlertState.FIRING else AlertState.FIRING
    evidence = Evidence(about[0], True, about[1], None)
    return Transition(name, key, *numbers, before, after, severity, now, now, why, summary, evidence)
