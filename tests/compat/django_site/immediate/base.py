"""Django's SQLite with BEGIN IMMEDIATE: a transaction that reads first and then writes
waits for the sidecar's, instead of failing as `database is locked`. (Since Django 5.1 that is
the option transaction_mode.)"""

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self):
        self.cursor().execute("BEGIN IMMEDIATE")
