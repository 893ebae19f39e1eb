"""What brings a store of an earlier version up to this one's schema, a step a version, all in one transaction.

House rule: what a step leaves behind is what `schema.sql` would have made, up to the order of its columns' words.
"""

from __future__ import annotations

VERSION = 3

_STEPS = {
    1: (
        "ALTER TABLE alerts ADD COLUMN muted TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE transitions ADD COLUMN muted TEXT NOT NULL DEFAULT ''",
    ),
    2: (
        """CREATE TABLE quiet_transitions (
    rule TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL,
    episode INTEGER NOT NULL, sequence INTEGER NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL, severity TEXT NOT NULL,
    at INTEGER NOT NULL, decided INTEGER NOT NULL,
    reason TEXT NOT NULL, summary TEXT NOT NULL, evidence TEXT NOT NULL, muted TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (rule, key, number)
) WITHOUT ROWID""",
        "ALTER TABLE snapshot RENAME TO snapshot_before",
        "CREATE TABLE snapshot (part TEXT NOT NULL, generation INTEGER NOT NULL, body BLOB, hash BLOB NOT NULL,"
        " PRIMARY KEY (part, generation)) WITHOUT ROWID",
        "INSERT INTO snapshot SELECT part, 0, body, hash FROM snapshot_before",
        "DROP TABLE snapshot_before",
        "CREATE INDEX alerts_by_time ON alerts (updated)",
        "CREATE INDEX ledger_by_time ON ledger (settled) WHERE settled IS NOT NULL",
        "CREATE INDEX dead_letters_by_time ON dead_letters (received)",
    ),
}
"""By the version that they begin from."""


def can_migrate(version: int) -> bool:
    """Is there a way from this version to ours?"""
    return all(step in _STEPS for step in range(version, VERSION)) and version <= VERSION


def migration(version: int) -> tuple[str, ...]:
    """The statements that bring a store of `version` up to ours; none if it is there."""
    if version == VERSION:
        return ()
    steps = [statement for step in range(version, VERSION) for statement in _STEPS[step]]
    return (*steps, f"UPDATE meta SET value = '{VERSION}' WHERE name = 'version'")  # noqa: S608 - ours
