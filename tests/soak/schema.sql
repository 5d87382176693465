-- What the apps of the soak write to. Every transaction leaves a row in `made`, which
-- is how the audit finds it in the log.
CREATE TABLE made(app TEXT, n INTEGER, PRIMARY KEY(app, n)) WITHOUT ROWID;
-- One writer each, n = n + 1: as many as the app has made.
CREATE TABLE counters(app TEXT PRIMARY KEY, value INTEGER NOT NULL);
-- Every transaction writes or deletes both halves: nobody may ever see two values.
CREATE TABLE pairs(id INTEGER, half INTEGER, value TEXT, PRIMARY KEY(id, half));
-- The legs of one transaction add up to nothing: nobody may ever see a part of them.
CREATE TABLE legs(app TEXT, n INTEGER, leg INTEGER, amount INTEGER, note BLOB, PRIMARY KEY(app, n, leg));
-- Rows that all nodes write: other columns, the same column, the key itself.
CREATE TABLE hot(id INTEGER PRIMARY KEY, a, b TEXT, c INTEGER, d REAL);
CREATE TABLE names(id INTEGER PRIMARY KEY, name TEXT UNIQUE, tag TEXT);
CREATE TABLE renamed(id TEXT PRIMARY KEY DEFAULT(hex(randomblob(8))), was TEXT, is_now TEXT);
CREATE TRIGGER names_renamed AFTER UPDATE OF name ON names BEGIN
  INSERT INTO renamed(was, is_now) VALUES(old.name, new.name);
END;
WITH RECURSIVE i(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM i WHERE id < 19)
  INSERT INTO hot SELECT id, NULL, 'from the beginning', 0, id / 7.0 FROM i;
