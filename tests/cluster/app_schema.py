"""An app with triggers, cascades, a CHECK and a table that is not replicated."""

SCHEMA = """
CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT UNIQUE, n INTEGER NOT NULL DEFAULT 0 CHECK(n < 1000));
CREATE TABLE audit(id INTEGER PRIMARY KEY, what TEXT);
CREATE TABLE parent(id TEXT PRIMARY KEY);
CREATE TABLE child(id INTEGER PRIMARY KEY, parent TEXT REFERENCES parent(id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE keyless(a);
CREATE TRIGGER items_audit AFTER INSERT ON items BEGIN INSERT INTO audit(what) VALUES('insert ' || new.name); END;
CREATE TRIGGER items_audit_update AFTER UPDATE ON items WHEN new.n <> old.n BEGIN
  INSERT INTO audit(what) VALUES('update ' || new.name); INSERT INTO keyless VALUES(new.n); END;
"""
