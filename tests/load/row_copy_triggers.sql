-- What one does without Colony to have an app's changes noted, as tests/bench
-- (change_triggers.h) describes: per table a log with the columns of the table and
-- what is still to be shipped by an index, one log of all tables for the order, and a
-- flag that keeps what a replicator would write from being noted again.

CREATE TABLE all_changes(change INTEGER PRIMARY KEY AUTOINCREMENT, in_table TEXT, change_in_table INTEGER);
CREATE TABLE replica(applying INTEGER);
INSERT INTO replica VALUES(0);

CREATE TABLE kv_changes(change INTEGER PRIMARY KEY AUTOINCREMENT, row_namespace, row_key, row_value, row_expires,
                        op TEXT, at_ms INTEGER, sent INTEGER);
CREATE INDEX kv_changes_to_send ON kv_changes(sent);
CREATE TRIGGER kv_insert AFTER INSERT ON kv WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO kv_changes(row_namespace, row_key, row_value, row_expires, op, at_ms, sent)
  VALUES(new.namespace, new.key, new.value, new.expires, 'INSERT',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('kv', last_insert_rowid());
END;
CREATE TRIGGER kv_update AFTER UPDATE ON kv WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO kv_changes(row_namespace, row_key, row_value, row_expires, op, at_ms, sent)
  VALUES(new.namespace, new.key, new.value, new.expires, 'UPDATE',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('kv', last_insert_rowid());
END;
CREATE TRIGGER kv_delete AFTER DELETE ON kv WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO kv_changes(row_namespace, row_key, row_value, row_expires, op, at_ms, sent)
  VALUES(old.namespace, old.key, old.value, old.expires, 'DELETE',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('kv', last_insert_rowid());
END;

CREATE TABLE objects_changes(change INTEGER PRIMARY KEY AUTOINCREMENT, row_key, row_size, row_sha256, row_owner,
                             row_modified, op TEXT, at_ms INTEGER, sent INTEGER);
CREATE INDEX objects_changes_to_send ON objects_changes(sent);
CREATE TRIGGER objects_insert AFTER INSERT ON objects WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO objects_changes(row_key, row_size, row_sha256, row_owner, row_modified, op, at_ms, sent)
  VALUES(new.key, new.size, new.sha256, new.owner, new.modified, 'INSERT',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('objects', last_insert_rowid());
END;
CREATE TRIGGER objects_update AFTER UPDATE ON objects WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO objects_changes(row_key, row_size, row_sha256, row_owner, row_modified, op, at_ms, sent)
  VALUES(new.key, new.size, new.sha256, new.owner, new.modified, 'UPDATE',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('objects', last_insert_rowid());
END;
CREATE TRIGGER objects_delete AFTER DELETE ON objects WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO objects_changes(row_key, row_size, row_sha256, row_owner, row_modified, op, at_ms, sent)
  VALUES(old.key, old.size, old.sha256, old.owner, old.modified, 'DELETE',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('objects', last_insert_rowid());
END;

CREATE TABLE placements_changes(change INTEGER PRIMARY KEY AUTOINCREMENT, row_object, row_node, row_url, row_state,
                                op TEXT, at_ms INTEGER, sent INTEGER);
CREATE INDEX placements_changes_to_send ON placements_changes(sent);
CREATE TRIGGER placements_insert AFTER INSERT ON placements WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO placements_changes(row_object, row_node, row_url, row_state, op, at_ms, sent)
  VALUES(new.object, new.node, new.url, new.state, 'INSERT',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('placements', last_insert_rowid());
END;
CREATE TRIGGER placements_update AFTER UPDATE ON placements WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO placements_changes(row_object, row_node, row_url, row_state, op, at_ms, sent)
  VALUES(new.object, new.node, new.url, new.state, 'UPDATE',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('placements', last_insert_rowid());
END;
CREATE TRIGGER placements_delete AFTER DELETE ON placements WHEN (SELECT applying FROM replica) = 0 BEGIN
  INSERT INTO placements_changes(row_object, row_node, row_url, row_state, op, at_ms, sent)
  VALUES(old.object, old.node, old.url, old.state, 'DELETE',
         CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 0);
  INSERT INTO all_changes(in_table, change_in_table) VALUES('placements', last_insert_rowid());
END;
