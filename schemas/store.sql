-- The embedded store: history and its index. Comments on the layout: src/projections/store.sqlite.file.ts.

-- AUTOINCREMENT: the number of a dropped workspace never comes back, so that a search which began
-- before the drop cannot run into the events of another tenant.
CREATE TABLE IF NOT EXISTS workspaces (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  -- Id and epoch; NULL: dropped, its events still being purged.
  name TEXT UNIQUE,
  -- The checkpoint.
  position INTEGER NOT NULL DEFAULT -1,
  -- Everything up to here was removed, or is being removed.
  trimmed INTEGER NOT NULL DEFAULT -1
) STRICT;

-- What the log had forgotten before it was historized.
CREATE TABLE IF NOT EXISTS losses (
  workspace INTEGER PRIMARY KEY,
  -- As JSON: src/projections/losses.ts.
  list TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS events (
  -- number of the workspace * 2^33 + position
  key INTEGER PRIMARY KEY,
  workspace INTEGER NOT NULL,
  id TEXT NOT NULL,
  -- Epoch milliseconds of the event's time; 0 where it has none.
  time INTEGER NOT NULL,
  -- Last, so that what stands before it is read without it.
  bytes BLOB NOT NULL,
  UNIQUE (workspace, id)
) STRICT;

-- Ends with the key, as every index does.
CREATE INDEX IF NOT EXISTS events_by_time ON events (workspace, time);

-- Rowid = events.key. Only the tokens' doclists are kept: no text, no columns, no offsets.
-- contentless_delete costs 14 bytes an event; the other way to delete from a contentless table is to
-- hand in the very tokens that were written, which a release that computes others could not.
CREATE VIRTUAL TABLE IF NOT EXISTS tokens USING fts5 (
  text,
  content = '',
  contentless_delete = 1,
  detail = none,
  tokenize = 'ascii'
);

-- What is deleted is marked so, and goes when segments are merged; a segment in which half is marked
-- is merged for that alone. At the default, a tenth, that took most of the time of a drop.
INSERT INTO tokens (tokens, rank) VALUES ('deletemerge', 50);
