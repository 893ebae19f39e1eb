"""What people ask of a running engine about dead letters: take them in once more, or throw them away.

House rule: one request at a time, from reading the letters to the commit, so that none is ever taken in twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec

from iotrules.model.decisions import Decision
from iotrules.model.inputs import Discard, Letter, Replay
from iotrules.ports import Chosen, Letters
from iotrules.runtime.control import MAX_NAME, MAX_WHY, Answerer, Ask, Json, RefusedError

MAX_LETTERS, MAX_BYTES = 500, 4 * 1024 * 1024
"""Of one input: so long do messages wait meanwhile."""

MAX_TOPIC, MAX_DETAIL = 1024, 300


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of `replay` and `drop`: see docs/operations.md. `since` in ns."""

    who: str
    why: str = ""
    numbers: list[int] | None = None
    reason: str = ""
    topic: str = ""
    since: int = 0
    after: int = 0
    upto: int | None = None


def letter_requests(ask: Ask, letters: Letters) -> dict[str, Answerer]:
    """`replay` and `drop`: a portion of what was chosen, and where the next one begins."""
    lock = asyncio.Lock()

    async def replay(fields: Json) -> Json:
        asked = _asked(fields)
        async with lock:
            upto, portion = await _portion(asked, letters)
            if not portion:
                return _answer(portion, upto, Decision())
            return _answer(portion, upto, await ask(Replay(tuple(portion), asked.who, asked.why)))

    async def drop(fields: Json) -> Json:
        asked = _asked(fields)
        async with lock:
            upto, portion = await _portion(asked, letters)
            if not portion:
                return _answer(portion, upto, Decision())
            numbers = tuple(letter.number for letter in portion)
            return _answer(portion, upto, await ask(Discard(numbers, asked.who, asked.why)))

    return {"replay": replay, "drop": drop}


async def _portion(asked: Asked, letters: Letters) -> tuple[int, list[Letter]]:
    upto = await letters.newest() if asked.upto is None else asked.upto
    numbers = None if asked.numbers is None else tuple(asked.numbers)
    chosen = Chosen(numbers, asked.reason, asked.topic, asked.since, asked.after, upto)
    return upto, list(await letters.choose(chosen, MAX_LETTERS, MAX_BYTES))


def _answer(portion: list[Letter], upto: int, decision: Decision) -> dict[str, Any]:
    """`after` and `upto` go into the next request; None: there is nothing more."""
    return {
        "gone": decision.letters_gone,
        "stay": [[letter.replayed, letter.reason, letter.detail[:MAX_DETAIL]] for letter in decision.dead_letters],
        "outcomes": _outcomes(decision),
        "after": portion[-1].number if portion else None,
        "upto": upto,
    }


def _outcomes(decision: Decision) -> dict[str, int]:
    """What has become of the messages, in the counters' words."""
    found: Counter[str] = Counter()
    for (counter, _), count in decision.counts.items():
        if counter in ("applied", "duplicate", "waiting") and count > 0:
            found[counter] += count
    return dict(found)


def _asked(fields: Json) -> Asked:
    try:
        asked = msgspec.convert(fields, Asked)
    except msgspec.ValidationError as error:
        raise RefusedError(f"bad request: {error}") from error
    for name, text, most in (("who", asked.who, MAX_NAME), ("why", asked.why, MAX_WHY)):
        if len(text) > most or not text.isprintable():
            raise RefusedError(f"{name} is at most {most} characters that print")
    if not asked.who.strip():
        raise RefusedError("who is empty: say who decides")
    if len(asked.topic) > MAX_TOPIC or len(asked.reason) > MAX_TOPIC:
        raise RefusedError(f"a topic or reason has at most {MAX_TOPIC} characters")
    return asked
