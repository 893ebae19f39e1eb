"""Blast radius: how many devices of a group a step may command within a time, and how many it has.

House rule: time is the `now` of inputs; a device counts once, however often it is commanded, and from when it last was.
"""

from __future__ import annotations

import math
from collections import defaultdict

from iotrules.engine.guarded import Counted, Guarding, GuardWindow
from iotrules.engine.state import State
from iotrules.model.rules import Guard, Rule
from iotrules.model.times import DAY, SECOND, duration_words

SEEN_WITHIN = 7 * DAY
RECOUNT = SECOND
"""How old the number of known devices may be: counting them for each command of a storm would be a storm of its own."""


def refusal(state: State, rule: str, guard: Guard, guarding: Guarding, device: str, now: int) -> str:
    """Why `device` may not be commanded now, or nothing; then it counts from now on."""
    window = _window(state, rule, guarding, now)
    known = registered(state, state.plan.set.rules.get(rule), guard.of, guarding.group, now)
    allowed = max(1, math.floor(guard.max_share * known))
    if device not in window.devices and len(window.devices) >= allowed:
        group = f" of {guard.of} {guarding.group}" if guard.of else ""
        commanded = f"{len(window.devices)} of {known} devices{group} were commanded within {duration_words(guard.per)}"
        return f"{commanded}, {guard.max_share * 100:.4g}% allows {allowed}"
    _count(state, rule, guarding, window, device, now)
    return ""


def count_device(state: State, rule: str, guarding: Guarding, device: str, now: int) -> None:
    """A device that was held is commanded after all: it counts like the others."""
    _count(state, rule, guarding, _window(state, rule, guarding, now), device, now)


def registered(state: State, rule: Rule | None, of: str, group: str, now: int) -> int:
    """How many devices there are in a group: by the registry, else those of the rule's stream heard within 7 d.

    The one place that knows where devices are registered. 0 for a rule that is gone.
    """
    if rule is None:
        return 0
    if state.plan.set.registry is not None:
        return state.plan.directory.count(of, group)
    name = (rule.stream, of)
    counted = state.counted.get(name)
    if counted is None or not 0 <= now - counted.at < RECOUNT:
        counted = state.counted[name] = Counted(now, _heard(state, rule.stream, of, now))
        state.mark(("counted", name))
    return counted.groups.get(group, 0)


def _heard(state: State, stream: str, of: str, now: int) -> dict[str, int]:
    """Group → number of devices. What the topic of commands needs makes a device, if the stream's topic has it."""
    captures = state.plan.set.streams[stream].captures
    commands = state.plan.set.commands
    wanted = set(commands.topic.captures) if commands else set()
    told_apart = wanted if wanted <= set(captures) else set(captures)
    devices: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for (name, values), seen in state.sources.items():
        fits = name == stream and len(values) == len(captures)  # not of a topic that it had before a reload
        if fits and seen.wall > now - SEEN_WITHIN:
            labels = dict(zip(captures, values, strict=True))
            device = tuple(value for capture, value in labels.items() if capture in told_apart)
            devices[labels.get(of, "")].add(device)
    return {group: len(members) for group, members in sorted(devices.items())}


def _window(state: State, rule: str, guarding: Guarding, now: int) -> GuardWindow:
    """What is in the step's and group's window now. A clock that was set back far empties it as well."""
    found = state.guards.get((rule, guarding.step, guarding.group))
    if found is None:
        _forget_old(state, now)
        return GuardWindow(guarding.per)
    return GuardWindow(guarding.per, _recent(found, guarding.per, now))


def _count(state: State, rule: str, guarding: Guarding, window: GuardWindow, device: str, now: int) -> None:
    name = (rule, guarding.step, guarding.group)
    window.devices[device] = now
    state.guards[name] = window
    state.mark(("guard", name))


def _forget_old(state: State, now: int) -> None:
    """Let go of windows in which nothing is left: there is one for each group that ever had a command."""
    for name, window in list(state.guards.items()):
        if not _recent(window, window.per, now):
            del state.guards[name]
            state.mark(("guard", name))


def _recent(window: GuardWindow, per: int, now: int) -> dict[str, int]:
    return {device: at for device, at in window.devices.items() if abs(now - at) < per}
