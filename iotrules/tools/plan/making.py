"""A plan: the running rules against others, on what is remembered, on the newest values, and on the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iotrules.history.views import HistoryView, history_path
from iotrules.language import load_files
from iotrules.language.comparing import RuleChange, compare
from iotrules.model.errors import ConfigError
from iotrules.model.inputs import RegistryFile, Reload
from iotrules.model.times import HOUR
from iotrules.stores.kept import read_kept
from iotrules.tools.plan.episodes import EpisodeChange, differences
from iotrules.tools.plan.live import LiveChange, LiveEffect, live_changes
from iotrules.tools.plan.past import Player
from iotrules.tools.plan.state import StateEffect, state_effects
from iotrules.tools.restored import restore

_PAGE = HOUR
"""How much of the history is read at once."""


@dataclass(frozen=True, slots=True)
class Past:
    """What the history was played from and to (event time ns, None: there is none), how much of it, and what differed.

    `not_played` are streams of it that the rules, as they are or as they would be, can't take.
    """

    begin: int | None
    end: int | None
    messages: int
    episodes_before: int
    episodes_after: int
    changes: tuple[EpisodeChange, ...]
    not_played: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that new rule files would change."""

    now: int
    rules: int
    changes: tuple[RuleChange, ...]
    state: tuple[StateEffect, ...]
    live: tuple[LiveChange, ...]
    effects: tuple[LiveEffect, ...]
    past: Past

    @property
    def differs(self) -> bool:
        """Would an alert or anything remembered be another?"""
        return bool(self.live or self.past.changes or any(one.loses for one in self.state))


async def make_plan(
    store: Path, files: Mapping[str, str], since: int, now: int, registry: RegistryFile | None = None
) -> Plan:
    """The plan for using `files` (name → text) now, with the last `since` ns of history.

    `registry`: another one than is in use.

    RuleError if they don't load, ConfigError if there is no store; see the store and the history for their errors.
    """
    try:
        kept = read_kept(store)
    except ConfigError:
        load_files(files, registry)  # what is wrong with them is worth knowing without a store
        raise
    restored = restore(kept)
    engine = restored.engine
    before, running = engine.rules, engine.files
    wanted = Reload(dict(files), running.dry_run, registry or running.registry)
    after = load_files(wanted.files, wanted.registry)
    changes = compare(before, after)
    state = state_effects(before, after, changes, engine.standings())
    live, effects = live_changes(engine, wanted, changes, max(now, restored.now or 0), restored.sequence)
    past = await _past(store, running, wanted, since, now)
    return Plan(now, len(after.rules), changes, state, live, effects, past)


async def _past(store: Path, running: Reload, wanted: Reload, since: int, now: int) -> Past:
    async with HistoryView(history_path(store)) as view:
        span = await view.span()
        begin = now - since if span is None else max(now - since, span[0] - 1)
        if span is None or span[1] <= begin:
            return Past(None, None, 0, 0, 0, (), ())
        old, new = Player(running), Player(wanted)
        for player in (old, new):
            player.begin(begin)
        while begin < span[1]:
            page = await view.readings(begin, min(begin + _PAGE, span[1]))
            begin = min(begin + _PAGE, span[1])
            for player in (old, new):
                player.play(page)
        for player in (old, new):
            player.pass_time(max(now, span[1]))
    was, is_ = old.episodes(), new.episodes()
    return Past(
        max(now - since, span[0]), span[1], max(old.messages, new.messages), len(was), len(is_),
        differences(was, is_), tuple(sorted(old.unplayable | new.unplayable)),
    )  # fmt: skip
