-- The embedded event log (src/commands/log.embedded*.ts).

-- One row per workspace. A dropped one keeps its row, without the name, until the last of its
-- runs is deleted: that is done little by little, and resumed after a crash.
CREATE TABLE IF NOT EXISTS logs (
  number INTEGER PRIMARY KEY,
  workspace TEXT UNIQUE,
  epoch TEXT NOT NULL,
  first INTEGER NOT NULL,
  next INTEGER NOT NULL,
  retention TEXT NOT NULL -- JSON
) STRICT;

-- One row per run of consecutive records that were committed together, as in Kafka's record
-- batches: a row per event costs the writer a B-tree insert and a binding for each. `key` is the
-- log's number times 2^33 plus the position of the first record. `created` is the first record's
-- createdAt in epoch milliseconds. `ends` holds 32-bit integers: where each record ends in the
-- slab.
CREATE TABLE IF NOT EXISTS runs (
  key INTEGER PRIMARY KEY,
  count INTEGER NOT NULL,
  created INTEGER NOT NULL,
  ends BLOB NOT NULL,
  slab BLOB NOT NULL
) STRICT;

PRAGMA user_version = 1;
