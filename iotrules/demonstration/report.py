"""What came of a demo, read from the engine's store: numbers, and whether the closed loop really happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from iotrules.stores.views import CommandRow, StoreView, TransitionRow

RULE = "machine-overheat"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that has to have happened, and what was found."""

    name: str
    done: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """`messages`, `invocations`, `commands`: word → count. `alerts`: (rule, state entered) → count."""

    messages: dict[str, int]
    alerts: dict[tuple[str, str], int]
    invocations: dict[str, int]
    commands: dict[tuple[str, str], int]
    loop: tuple[Step, ...]

    @property
    def closed(self) -> bool:
        return all(step.done for step in self.loop)


async def read_report(view: StoreView) -> Report:
    """Look at everything that the engine has committed."""
    counters: Counter[str] = Counter()
    for (counter, _), total in (await view.counters()).items():
        counters[counter] += total
    transitions = await view.transitions(limit=10_000)
    commands = await view.commands(limit=10_000)
    invocations = Counter(f"{row.function} {row.outcome}" for row in await view.invocations(10_000))
    words = ("received", "applied", "duplicate", "late", "dead_letters")
    return Report(
        {word: counters[word] for word in words},
        dict(Counter((change.rule, change.after) for change in transitions)),
        dict(invocations),
        dict(Counter((command.name, command.state) for command in commands)),
        _closed_loop(transitions, commands, {row.key: row.body for row in await view.device_states()}),
    )


def _closed_loop(
    transitions: list[TransitionRow], commands: list[CommandRow], states: dict[str, dict[str, object]]
) -> tuple[Step, ...]:
    """The steps, for the machine that came farthest."""
    keys = {change.key for change in transitions if change.rule == RULE} or {""}
    loops = [_loop_of(key, transitions, commands, states.get(key, {})) for key in sorted(keys)]
    return max(loops, key=lambda steps: sum(step.done for step in steps))


def _loop_of(
    key: str, transitions: list[TransitionRow], commands: list[CommandRow], state: dict[str, object]
) -> tuple[Step, ...]:
    mine = [change for change in transitions if (change.key, change.rule) == (key, RULE)]
    sent = [command for command in commands if command.key == key]

    def entered(state: str) -> Step:
        found = [change for change in reversed(mine) if change.after == state]
        return Step(f"{RULE} {state}", bool(found), found[0].reason if found else "did not happen")

    def obeyed(name: str) -> Step:
        found = [command for command in sent if command.name == name]
        done = any(command.state == "succeeded" for command in found)
        word = ", ".join(f"{command.device}: {command.state}" for command in reversed(found)) or "not sent"
        return Step(f"command {name}", done, word)

    trips = state.get("trips", 0)
    return (
        entered("pending"),
        entered("firing"),
        obeyed("shutdown"),
        entered("resolved"),
        obeyed("restart"),
        obeyed("lock_out"),
        Step("state kept between invocations", isinstance(trips, int) and trips >= 2, f"trips: {trips}"),
    )


def summary_lines(report: Report) -> list[str]:
    """The report, for people."""
    lines = ["", "messages     " + "  ".join(f"{word} {n}" for word, n in report.messages.items())]
    lines += _block("alerts", [f"{rule} {state}: {n}" for (rule, state), n in sorted(report.alerts.items())])
    lines += _block("invocations", [f"{word}: {n}" for word, n in sorted(report.invocations.items())])
    lines += _block("commands", [f"{name} {state}: {n}" for (name, state), n in sorted(report.commands.items())])
    lines += _block("closed loop", [f"{'✔' if step.done else '✘'} {step.name}: {step.detail}" for step in report.loop])
    return lines


def _block(title: str, lines: list[str]) -> list[str]:
    return [f"{title if index == 0 else '':<13}{line}" for index, line in enumerate(lines or ["none"])]
