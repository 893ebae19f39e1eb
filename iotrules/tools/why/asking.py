"""From a question to its answer: the engine restored as of an instant, the stored transitions, the refused messages."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from iotrules.model.decisions import Key
from iotrules.model.errors import ConfigError
from iotrules.model.explanation import Explanation
from iotrules.model.rules import Stream
from iotrules.model.times import MINUTE, duration_words, rough_words
from iotrules.stores.kept import read_kept
from iotrules.stores.recorded import keys_on_record
from iotrules.stores.views import DeadLetterRow, StoreView, TransitionRow
from iotrules.tools.instants import clock_words
from iotrules.tools.restored import Restored, begins, restore
from iotrules.tools.why.commands import CommandTold, commands_of
from iotrules.tools.why.faults import newest_faults, newest_messages
from iotrules.tools.why.keys import choose_key, key_of
from iotrules.yamlfile import nearest, quoted

CHANGES_SHOWN = 8
_IDLE = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class Asked:
    """A question. `labels` as given, perhaps not all of the key's; `at` None: now."""

    rule: str
    labels: tuple[tuple[str, str], ...]
    at: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known. Without an `explanation` the engine can't be asked of that instant: what is stored tells.

    `changes` are the newest transitions until then, newest first; `near` are known keys like one never seen. `stored`
    is the change whose evidence is told wholly, where the question is of an earlier instant.
    """

    rule: str
    key: Key
    at: int
    explanation: Explanation | None
    changes: tuple[TransitionRow, ...]
    remarks: tuple[str, ...]
    near: tuple[Key, ...] = ()
    stored: TransitionRow | None = None
    commands: tuple[CommandTold, ...] = ()
    """Of the newest episode."""


async def ask(store: Path, asked: Asked, now: int) -> Answer:
    """Answer the question. ConfigError: no such store, rule, or key to choose, or the future; else the store's own."""
    at = now if asked.at is None else asked.at
    if at > now:
        raise ConfigError(
            f"{clock_words(at, now)} is yet to come, it is {clock_words(now, at)}: why tells what is and what was;"
            " `iotrules test` plays what might be"
        )
    kept = read_kept(store)
    earliest = begins(kept)
    too_old = asked.at is not None and (earliest is None or at < earliest)
    restored = restore(kept, None if too_old else asked.at)
    if restored.now is None and kept.journal and not too_old:
        raise ConfigError("no rules were in use then: the store begins later")
    async with StoreView(store) as view:
        if too_old or asked.rule not in restored.engine.rules.rules:
            return await _from_record(view, restored, asked, at, _why_record(asked.rule, too_old, earliest))
        return await _from_engine(view, restored, asked, at)


async def _from_engine(view: StoreView, restored: Restored, asked: Asked, at: int) -> Answer:
    """The engine as it was is asked."""
    rule, known = restored.engine.rules.rules[asked.rule], restored.engine.keys(asked.rule)
    key = choose_key(rule.name, rule.by, asked.labels, known)
    changes = await _changes(view, rule.name, key, at)
    stream = restored.engine.rules.streams[rule.stream]
    faults = newest_faults(stream, rule.by, key, restored.arrivals())
    newest = newest_messages(rule, restored.engine.rules.streams, key, restored.arrivals())
    told = restored.engine.explain(rule.name, key, at, faults, newest, lambda instant: clock_words(instant, at))
    letters = refused(stream, rule.by, key, await view.dead_letters())
    remarks = _remarks(restored, asked, at, letters, told.overdue)
    near = () if told.known else _near(key, [one for one in known if one != key])
    stored = changes[0] if asked.at is not None and changes else None
    commands = await commands_of(view, rule.name, rule, key, _episode(changes), at)
    return Answer(rule.name, key, at, told, changes, remarks, near, stored, commands)


async def _from_record(view: StoreView, restored: Restored, asked: Asked, at: int, why: str) -> Answer:
    """The engine can't be asked: the instant lies before the journal kept, or the rule is none of those in use."""
    rules = restored.engine.rules.rules
    known = [Key.from_text(text) for text in await keys_on_record(view, asked.rule)]
    if asked.rule not in rules and not known:
        raise ConfigError(_no_rule(asked.rule, rules))
    by = rules[asked.rule].by if asked.rule in rules else tuple(name for name, _ in known[0].labels)
    seen = restored.engine.keys(asked.rule) if asked.rule in rules else []
    key = choose_key(asked.rule, by, asked.labels, list(dict.fromkeys([*known, *seen])))
    changes = await _changes(view, asked.rule, key, at)
    commands = await commands_of(view, asked.rule, None, key, _episode(changes), at)
    return Answer(asked.rule, key, at, None, changes, (why,), (), changes[0] if changes else None, commands)


def _episode(changes: Sequence[TransitionRow]) -> int:
    """The newest one; 0 is none."""
    return next((change.episode for change in changes if change.episode), 0)


async def _changes(view: StoreView, rule: str, key: Key, at: int) -> tuple[TransitionRow, ...]:
    return tuple(await view.history(rule, key.text, CHANGES_SHOWN + 1, until=at))


def _no_rule(name: str, rules: Collection[str]) -> str:
    known = f"; the running rules are {', '.join(sorted(rules))}" if rules else "; no rules are running"
    return f"there is no rule {quoted(name)}{nearest(name, rules) or known}"


def _why_record(rule: str, too_old: bool, earliest: int | None) -> str:
    if "/" in rule:
        return "it is an alert of the engine's own, which no rule is about: this is from the stored transitions"
    if not too_old:
        return "no rule of this name was in use then: this is from the stored transitions"
    if earliest is None:
        return "the journal kept holds nothing that old: this is from the stored transitions"
    return "the journal kept begins later: this is from the stored transitions"


def refused(
    stream: Stream, by: tuple[str, ...], key: Key, letters: Sequence[DeadLetterRow]
) -> tuple[DeadLetterRow, ...]:
    """The messages of this key among those that could not be used, newest first."""
    return tuple(letter for letter in letters if key_of(stream, by, letter.topic) == key)


def _remarks(
    restored: Restored, asked: Asked, at: int, letters: tuple[DeadLetterRow, ...], overdue: bool
) -> tuple[str, ...]:
    found = []
    if letters:
        last = letters[0]
        found.append(f"{len(letters)} messages of this key were refused; the last one: {last.reason}, {last.detail}")
    idle = 0 if restored.now is None else at - restored.now
    if asked.at is None and idle > _IDLE:
        ago = duration_words(idle // MINUTE * MINUTE)
        found.append(f"the engine's last input was {ago} ago: does it run? --at looks at an earlier instant")
    elif overdue and idle > 0:
        when = "ago: does it run?" if asked.at is None else "before: did it run?"
        found.append(f"the engine's last input was {rough_words(idle)} {when} It decides on what is due once it does")
    return tuple(found)


def _near(key: Key, known: Sequence[Key]) -> tuple[Key, ...]:
    """The known keys whose values look most like its own."""
    by_text = {_values(one): one for one in known}
    return tuple(by_text[text] for text in difflib.get_close_matches(_values(key), sorted(by_text), n=3, cutoff=0.6))


def _values(key: Key) -> str:
    return " ".join(value for _, value in key.labels)
