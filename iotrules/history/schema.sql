-- Telemetry history, a file of its own (STORE + ".history"): may be deleted at any time without losing a decision.

-- The newest reading of each device on each stream.
CREATE TABLE IF NOT EXISTS latest (
    stream TEXT NOT NULL, key TEXT NOT NULL, device TEXT NOT NULL,
    at INTEGER NOT NULL,              -- event time, ns
    received INTEGER NOT NULL,        -- arrival at the engine, ns
    reading TEXT NOT NULL,            -- JSON {field: number | text | flag | null}
    PRIMARY KEY (stream, key)
) WITHOUT ROWID;

-- Readings of one device, some at a time, since a row for each would cost more than deciding on it; the oldest go first.
CREATE TABLE IF NOT EXISTS chunks (
    key TEXT NOT NULL, stream TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL,   -- event times of the oldest and the newest, ns
    count INTEGER NOT NULL,
    body BLOB NOT NULL                               -- see chunks.py
);
CREATE INDEX IF NOT EXISTS chunks_of_key ON chunks (key, last);
CREATE INDEX IF NOT EXISTS chunks_by_age ON chunks (last, count, first);
