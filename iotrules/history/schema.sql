-- Telemetry history, a file of its own (STORE + ".history"): may be deleted at any time without losing a decision.

-- The newest reading of each device on each stream.
CREATE TABLE IF NOT EXISTS latest (
    stream TEXT NOT NULL, key TEXT NOT NULL, device TEXT NOT NULL,
    at INTEGER NOT NULL,              -- event time, ns
    received INTEGER NOT NULL,        -- arrival at the engine, ns
    reading TEXT NOT NULL,            -- JSON {field: number | text | flag | null}
    PRIMARY KEY (stream, key)
) WITHOUT ROWID;

-- Numbers only, one row per (reading, field); the oldest go first.
CREATE TABLE IF NOT EXISTS samples (
    key TEXT NOT NULL, field TEXT NOT NULL, at INTEGER NOT NULL, stream TEXT NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (key, field, at, stream)
) WITHOUT ROWID;

-- Texts and flags, as JSON, for playing the past through other rules; kept as long as the numbers.
CREATE TABLE IF NOT EXISTS words (
    key TEXT NOT NULL, field TEXT NOT NULL, at INTEGER NOT NULL, stream TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (key, field, at, stream)
) WITHOUT ROWID;
