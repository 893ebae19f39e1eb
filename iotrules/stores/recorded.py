"""What the store has on record of a rule, whether it still runs or not: its keys, and what its episodes asked for.

House rule: each question is a short transaction of its own, on an open StoreView.
"""

from __future__ import annotations

from iotrules.stores.views import CommandRow, StoreView

_KEYS = """SELECT key FROM transitions WHERE rule = ? UNION SELECT key FROM quiet_transitions WHERE rule = ?
ORDER BY key LIMIT ?"""
_COMMANDS = """SELECT id, rule, episode, key, device, name, state, detail, issued, expires, updated FROM commands
WHERE id >= ? AND id < ? AND rule = ? AND issued <= ? ORDER BY issued DESC, id DESC LIMIT ?"""


async def keys_on_record(view: StoreView, rule: str, limit: int = 10_000) -> list[str]:
    """The keys (canonical JSON) of which a rule of this name has transitions."""
    return [key for (key,) in await view.rows(_KEYS, rule, rule, limit)]


async def newest_commands(view: StoreView, rule: str, prefix: str, until: int, limit: int) -> list[CommandRow]:
    """The newest commands of a rule whose ids begin so (with a rule, a key, an episode: of that), oldest first.

    Those that were asked for up to `until` (ns). Ids are looked up by the table's own order.
    """
    rows = await view.rows(_COMMANDS, prefix, prefix + chr(0x10FFFF), rule, until, limit)
    return [CommandRow(*row) for row in reversed(rows)]
