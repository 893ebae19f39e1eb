"""From a question to its answer: the engine restored as of an instant, the stored transitions, the refused messages."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iotrules.model.decisions import Key
from iotrules.model.errors import ConfigError
from iotrules.model.explanation import Explanation
from iotrules.model.rules import Rule, Stream
from iotrules.model.times import MINUTE, duration_words
from iotrules.stores.kept import read_kept
from iotrules.stores.views import DeadLetterRow, StoreView, TransitionRow
from iotrules.tools.restored import Restored, begins, restore
from iotrules.tools.why.faults import newest_faults, newest_messages
from iotrules.tools.why.keys import choose_key, key_of
from iotrules.yamlfile import nearest, quoted

CHANGES_SHOWN = 8
_READ = 200
_IDLE = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. `labels` as given, perhaps not all of the key's; `at` None: now."""

    rule: str
    labels: tuple[tuple[str, str], ...]
    at: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known. Without an `explanation` the instant lies before the journal: only `changes` tell.

    `changes` are the newest transitions until then, newest first; `near` are known keys like one never seen.
    """

    rule: str
    key: Key
    at: int
    explanation: Explanation | None
    changes: tuple[TransitionRow, ...]
    remarks: tuple[str, ...]
    near: tuple[Key, ...] = ()


async def ask(store: Path, asked: Asked, now: int) -> Answer:
    """Answer the question. ConfigError: no such store, rule, or key to choose; see the store for its own errors."""
    kept = read_kept(store)
    at = now if asked.at is None else asked.at
    earliest = begins(kept)
    too_old = asked.at is not None and (earliest is None or at < earliest)
    restored = restore(kept, None if too_old else asked.at)
    if restored.now is None and kept.journal and not too_old:
        raise ConfigError("no rules were in use then: the store begins later")
    rule = _rule(restored, asked.rule)
    key = choose_key(rule, asked.labels, restored.engine.keys(rule.name))
    async with StoreView(store) as view:
        rows = await view.history(rule.name, key.text, _READ)
        letters = await view.dead_letters()
    changes = tuple(row for row in rows if row.decided <= at)[: CHANGES_SHOWN + 1]
    if too_old:
        return Answer(rule.name, key, at, None, changes, (_too_old(earliest),))
    stream = restored.engine.rules.streams[rule.stream]
    faults = newest_faults(stream, rule.by, key, restored.arrivals())
    newest = newest_messages(rule, restored.engine.rules.streams, key, restored.arrivals())
    told = restored.engine.explain(rule.name, key, at, faults, newest)
    remarks = _remarks(restored, asked, at, refused(stream, rule.by, key, letters))
    near = () if told.known else _near(key, restored.engine.keys(rule.name))
    return Answer(rule.name, key, at, told, changes, remarks, near)


def _rule(restored: Restored, name: str) -> Rule:
    rules = restored.engine.rules.rules
    if name not in rules:
        known = f"; the running rules are {', '.join(sorted(rules))}" if rules else "; no rules are running"
        raise ConfigError(f"there is no rule {quoted(name)}{nearest(name, rules) or known}")
    return rules[name]


def _too_old(earliest: int | None) -> str:
    if earliest is None:
        return "the journal kept holds nothing that old: this is from the stored transitions"
    return "the journal kept begins later: this is from the stored transitions"


def refused(
    stream: Stream, by: tuple[str, ...], key: Key, letters: Sequence[DeadLetterRow]
) -> tuple[DeadLetterRow, ...]:
    """The messages of this key among those that could not be used, newest first."""
    return tuple(letter for letter in letters if key_of(stream, by, letter.topic) == key)


def _remarks(restored: Restored, asked: Asked, at: int, letters: tuple[DeadLetterRow, ...]) -> tuple[str, ...]:
    found = []
    if letters:
        last = letters[0]
        found.append(f"{len(letters)} messages of this key were refused; the last one: {last.reason}, {last.detail}")
    if asked.at is None and restored.now is not None and at - restored.now > _IDLE:
        ago = duration_words((at - restored.now) // MINUTE * MINUTE)
        found.append(f"the engine's last input was {ago} ago: does it run? --at looks at an earlier instant")
    return tuple(found)


def _near(key: Key, known: Sequence[Key]) -> tuple[Key, ...]:
    """The known keys whose values look most like its own."""
    by_text = {_values(one): one for one in known}
    return tuple(by_text[text] for text in difflib.get_close_matches(_values(key), sorted(by_text), n=3, cutoff=0.6))


def _values(key: Key) -> str:
    return " ".join(value for _, value in key.labels)
