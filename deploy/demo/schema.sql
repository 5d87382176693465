-- What the four nodes of the demo share: which objects there are, where copies
-- of them lie, and a few settings. No key is picked by SQLite: two nodes could
-- pick the same.

CREATE TABLE objects(
  key      TEXT NOT NULL PRIMARY KEY,  -- photos/2025/a-00012.jpg
  size     INTEGER NOT NULL CHECK(size >= 0),
  sha256   TEXT NOT NULL,
  owner    TEXT NOT NULL,
  modified TEXT NOT NULL               -- ISO 8601, UTC
);
CREATE INDEX objects_by_owner ON objects(owner, modified);

CREATE TABLE placements(
  object TEXT NOT NULL REFERENCES objects(key) ON DELETE CASCADE,
  node   TEXT NOT NULL,
  url    TEXT NOT NULL UNIQUE,
  state  TEXT NOT NULL CHECK(state IN ('copying', 'ready', 'lost')),
  PRIMARY KEY(object, node)
) WITHOUT ROWID;
CREATE INDEX placements_by_node ON placements(node, state);

CREATE TABLE kv(
  namespace TEXT NOT NULL,
  key       TEXT NOT NULL,
  value     BLOB,
  expires   TEXT,                      -- NULL: never
  PRIMARY KEY(namespace, key)
) WITHOUT ROWID;
CREATE INDEX kv_by_expiry ON kv(expires) WHERE expires IS NOT NULL;
