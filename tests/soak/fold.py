"""The fold of docs/architecture.md once more, in Python and in memory: what the rows must
be after a log, which conflicts it has, and which transaction wrote every value."""

import collections

from entries import DELETE, INSERT, NOT_SPOKEN_OF

CONFLICTS_MAX = 10_000


class Collision(Exception):
    """A unique value is taken."""


class Table:
    def __init__(self, db, name):
        self.name = name
        info = db.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (name,)).fetchall()
        self.columns = [column for column, _ in info]
        self.key = [i for i, _ in sorted(((i, pk) for i, (_, pk) in enumerate(info) if pk), key=lambda pair: pair[1])]
        unique = db.execute("SELECT name FROM pragma_index_list(?) WHERE origin = 'u'", (name,)).fetchall()
        self.unique = [self.columns.index(db.execute("SELECT name FROM pragma_index_info(?)", index).fetchone()[0])
                       for index in unique]
        self.rows = {}
        self.writers = {}  # key -> who wrote each column's value
        self.holders = {column: {} for column in self.unique}  # value -> key

    def in_order(self):
        """All rows, by their key, as tuples."""
        return [tuple(self.rows[key]) for key in sorted(self.rows)]

    def key_of(self, row):
        return tuple(row[i] for i in self.key)

    def named(self, row):
        return {name: value for name, value in zip(self.columns, row) if value is not NOT_SPOKEN_OF}


def same(left, right):
    return type(left) is type(right) and left == right


def unknown(before, after, row):
    """The columns of row that a change changes without having known them; or None."""
    lost = [NOT_SPOKEN_OF] * len(row)
    for i, value in enumerate(row):
        if (after is None or after[i] is not NOT_SPOKEN_OF) and not same(before[i], value):
            lost[i] = value
    return lost if any(value is not NOT_SPOKEN_OF for value in lost) else None


class Fold:
    def __init__(self, db):
        """The rows of db are those of before the log."""
        names = [name for name, in db.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        self.tables = {name: Table(db, name) for name in names}
        self.conflicts = collections.deque(maxlen=CONFLICTS_MAX)
        self.kinds = collections.Counter()
        self.written = self.overwritten = self.deleted = 0
        self.undo = []
        for table in self.tables.values():
            for row in db.execute(f'SELECT * FROM "{table.name}"'):
                self._put(table, table.key_of(row), list(row), [None] * len(row))
        self.undo.clear()

    def apply(self, transaction, writer):
        """Folds one transaction; gives its conflicts."""
        self.conflicts_now = []
        counts = (self.written, self.overwritten, self.deleted)
        try:
            for change in transaction.changes:
                self._change(*change, writer)
        except Collision:
            for table, key, row, writers in reversed(self.undo):
                self._take(table, key)
                if row is not None:
                    self._put(table, key, row, writers)
            self.written, self.overwritten, self.deleted = counts
            self.conflicts_now = []
            self._as_set(transaction.changes, writer)
        self.undo.clear()
        for n, (kind, table, key, lost) in enumerate(self.conflicts_now):
            self.kinds[kind] += 1
            self.conflicts.append((transaction.sequence, transaction.origin, transaction.piece, n, kind, table, key, lost))

    def present(self):
        """How many values there are that a transaction of the log has written."""
        return sum(writer is not None for table in self.tables.values() for writers in table.writers.values()
                   for writer in writers)

    # Rows, with a way back.
    def _take(self, table, key):
        row = table.rows.pop(key, None)
        if row is None:
            return
        table.writers.pop(key)
        for column, holders in table.holders.items():
            if row[column] is not None:
                del holders[row[column]]

    def _put(self, table, key, row, writers):
        for column, holders in table.holders.items():
            if row[column] is not None and holders.get(row[column], key) != key:
                raise Collision
        self._take(table, key)
        for column, holders in table.holders.items():
            if row[column] is not None:
                holders[row[column]] = key
        table.rows[key], table.writers[key] = row, writers

    def _set(self, table, key, new, writer, old=None):
        """Columns of `new` that are spoken of take their values, in the row or in `old`, a
        row (and its writers) that was taken out before."""
        row, writers = old or (table.rows.get(key), table.writers.get(key))
        kept = row is not None
        values = list(row) if kept else [None] * len(new)
        authors = list(writers) if kept else [None] * len(new)
        spoken = [i for i, value in enumerate(new) if value is not NOT_SPOKEN_OF]
        for i in spoken:
            values[i] = new[i]
        before = (table, key, table.rows.get(key), table.writers.get(key))
        self._put(table, key, values, [writer if i in spoken else author for i, author in enumerate(authors)])
        self.undo.append(before)
        self.written += len(spoken)
        self.overwritten += sum(authors[i] is not None for i in spoken)

    def _erase(self, table, key, counts=True):
        self.undo.append((table, key, table.rows[key], table.writers[key]))
        if counts:
            self.deleted += sum(writer is not None for writer in table.writers[key])
        self._take(table, key)

    # Changes.
    def _conflict(self, kind, table, holder, lost):
        key = [value if i in table.key else NOT_SPOKEN_OF for i, value in enumerate(holder)]
        self.conflicts_now.append((kind, table.name, table.named(key), table.named(lost)))

    def _meet(self, table, operation, before, after):
        """Journals what an INSERT or UPDATE meets; gives the key and the row there, and False
        if there is nothing to update."""
        key = table.key_of(after if operation == INSERT else before)
        row = table.rows.get(key)
        if operation == INSERT:
            if row is not None:
                self._conflict("insert_exists", table, row, row)
        elif row is None:
            self._conflict("update_missing", table, before, after)
            return key, row, False
        else:
            lost = unknown(before, after, row)
            if lost:
                self._conflict("update_differs", table, row, lost)
        return key, row, True

    def _change(self, name, operation, before, after, writer):
        table = self.tables[name]
        if operation == DELETE:
            self._delete(table, before)
            return
        key, _, counts = self._meet(table, operation, before, after)
        if counts:
            self._set(table, key, after, writer)

    def _delete(self, table, before):
        key = table.key_of(before)
        row = table.rows.get(key)
        if row is None:
            self._conflict("delete_missing", table, before, [])
            return
        if unknown(before, None, row):
            self._conflict("delete_differs", table, row, row)
        self._erase(table, key)

    def _as_set(self, changes, writer):
        images = []
        for name, operation, before, after in changes:
            table = self.tables[name]
            if operation == DELETE:
                self._delete(table, before)
                continue
            key, row, counts = self._meet(table, operation, before, after)
            if not counts:
                continue
            images.append((table, key, after, (row, table.writers.get(key))))
            if row is not None:
                self._erase(table, key, counts=False)
        for table, key, after, old in images:
            self._displace(table, key, after if old[0] is None else [
                value if value is not NOT_SPOKEN_OF else was for value, was in zip(after, old[0])])
            self._set(table, key, after, writer, old)

    def _displace(self, table, key, row):
        for column, holders in table.holders.items():
            other = holders.get(row[column], key) if row[column] is not None else key
            if other != key:
                gone = table.rows[other]
                self._conflict("displaced", table, gone, gone)
                self._erase(table, other)
