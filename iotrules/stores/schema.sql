-- The engine's store, version 3. Written by one process only; read by any in short transactions (WAL).
-- Times are integer nanoseconds since the Unix epoch. Keys are canonical JSON objects of labels (model.Key.text).

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Every input that the engine decided on, in order; hash = BLAKE2b(hash of the row before, sequence, now, body).
CREATE TABLE journal (
    sequence INTEGER PRIMARY KEY,
    now      INTEGER NOT NULL,
    body     BLOB NOT NULL,
    hash     BLOB NOT NULL
);

-- The engine's state as of meta.snapshot_sequence: of each part the newest row up to meta.snapshot_generation. Rows of
-- later generations are of a snapshot that is being written. No body: the part is gone. hash = BLAKE2b(part, body).
CREATE TABLE snapshot (
    part TEXT NOT NULL, generation INTEGER NOT NULL, body BLOB, hash BLOB NOT NULL, PRIMARY KEY (part, generation)
) WITHOUT ROWID;

-- What the running rules are, for people: the chart's threshold lines, the place to read a rule.
CREATE TABLE rules (
    name TEXT PRIMARY KEY, stream TEXT NOT NULL, severity TEXT NOT NULL, condition TEXT NOT NULL,
    file TEXT NOT NULL, line INTEGER NOT NULL, dry_run INTEGER NOT NULL,
    thresholds TEXT NOT NULL          -- JSON [{"field": "temp", "operator": ">", "value": 85.0}]
) WITHOUT ROWID;

-- One row per (rule, key) that was ever pending or firing: its present state.
CREATE TABLE alerts (
    rule TEXT NOT NULL, key TEXT NOT NULL, device TEXT NOT NULL,
    state TEXT NOT NULL,              -- inactive | pending | firing | resolved
    severity TEXT NOT NULL,           -- info | minor | major | critical
    episode INTEGER NOT NULL, since INTEGER NOT NULL, updated INTEGER NOT NULL,
    summary TEXT NOT NULL, reason TEXT NOT NULL,
    muted TEXT NOT NULL DEFAULT '',   -- why nobody is notified of its newest transition; empty: people are
    PRIMARY KEY (rule, key)
) WITHOUT ROWID;
CREATE INDEX alerts_by_state ON alerts (state);
CREATE INDEX alerts_by_key ON alerts (key);
CREATE INDEX alerts_by_time ON alerts (updated);

-- Every transition, for ever the same: the history of alerts.
CREATE TABLE transitions (
    rule TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL,
    episode INTEGER NOT NULL, sequence INTEGER NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL, severity TEXT NOT NULL,
    at INTEGER NOT NULL, decided INTEGER NOT NULL,
    reason TEXT NOT NULL, summary TEXT NOT NULL,
    evidence TEXT NOT NULL,           -- JSON {"condition", "truth", "values": {name: value}, "sample_time"}; of later
                                      -- versions also "tree", "clear", "samples", "progress", "meaning", "place"
    muted TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (rule, key, number)
) WITHOUT ROWID;
CREATE INDEX transitions_by_time ON transitions (decided);
CREATE INDEX transitions_by_key ON transitions (key, decided);

-- The same of rules with `alert: false`: the newest of each rule and key, for `why` alone.
CREATE TABLE quiet_transitions (
    rule TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL,
    episode INTEGER NOT NULL, sequence INTEGER NOT NULL,
    before TEXT NOT NULL, after TEXT NOT NULL, severity TEXT NOT NULL,
    at INTEGER NOT NULL, decided INTEGER NOT NULL,
    reason TEXT NOT NULL, summary TEXT NOT NULL, evidence TEXT NOT NULL, muted TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (rule, key, number)
) WITHOUT ROWID;

-- Effects: committed with the decision that made them, delivered from here. id is the idempotency key.
CREATE TABLE ledger (
    id TEXT PRIMARY KEY, sequence INTEGER NOT NULL,
    kind TEXT NOT NULL,               -- invoke | command | publish
    target TEXT NOT NULL,             -- the function, the command's or message's topic
    key TEXT NOT NULL, body BLOB NOT NULL,
    state TEXT NOT NULL,              -- pending | done | failed
    attempts INTEGER NOT NULL, next_try INTEGER NOT NULL,
    created INTEGER NOT NULL, settled INTEGER, detail TEXT NOT NULL
);                                    -- with rowid: the order in which effects leave
CREATE INDEX ledger_pending ON ledger (state) WHERE state = 'pending';
CREATE INDEX ledger_by_time ON ledger (settled) WHERE settled IS NOT NULL;

CREATE TABLE commands (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, episode INTEGER NOT NULL, key TEXT NOT NULL, device TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,              -- requested | held | sent | acknowledged | succeeded | failed | rejected | timed out | expired
    detail TEXT NOT NULL, issued INTEGER NOT NULL, expires INTEGER NOT NULL, updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX commands_by_key ON commands (key, issued);
CREATE INDEX commands_by_time ON commands (issued);

-- One row per attempt to run a function.
CREATE TABLE invocations (
    request_id TEXT PRIMARY KEY, effect TEXT NOT NULL, function TEXT NOT NULL, key TEXT NOT NULL,
    outcome TEXT NOT NULL,            -- done | pending (will be tried again) | failed
    detail TEXT NOT NULL, at INTEGER NOT NULL, cold INTEGER NOT NULL,
    init_ms REAL NOT NULL, duration_ms REAL NOT NULL, billed_ms INTEGER NOT NULL,
    memory_mb INTEGER NOT NULL, max_memory_mb INTEGER NOT NULL, log_tail TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX invocations_by_time ON invocations (at);

-- What handlers remember about a device.
CREATE TABLE device_state (key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY, sequence INTEGER NOT NULL,
    topic TEXT NOT NULL, payload BLOB NOT NULL, received INTEGER NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX dead_letters_by_time ON dead_letters (received);

-- (counter, label) → total since the store was made.
CREATE TABLE counters (counter TEXT NOT NULL, label TEXT NOT NULL, total INTEGER NOT NULL, PRIMARY KEY (counter, label)) WITHOUT ROWID;
