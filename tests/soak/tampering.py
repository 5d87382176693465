"""Proof that the audit can fail: after a soak that was clean, damage is done on purpose,
and each must be found and counted as lost."""

import contextlib
import sqlite3

from audit import Audit, Journal, lost
from entries import Unreadable


def _again(colony, messages):
    """A fresh audit over the same journals, and over `messages` instead of the log."""
    audit = Audit(colony.seed_database, [Journal(app.journal, app.node.name, app.name) for app in colony.apps])
    audit.read_journals()
    with contextlib.suppress(Unreadable):  # a gap: what comes after it is missing
        audit.read_log(messages)
    return audit, audit.findings + list(audit.missing())


def _victim(conductor):
    """A committed transaction whose row in `made` is there, as all are."""
    journal = next(j for j in conductor.audit.journals.values() if j.committed)
    return journal, (journal.app, sorted(journal.committed)[len(journal.committed) // 2])


def _row_deleted_everywhere(conductor):
    """By connections without capture, on all nodes alike: what `colony verify` cannot see."""
    _, victim = _victim(conductor)
    for node in conductor.colony.nodes:
        with contextlib.closing(sqlite3.connect(node.path, timeout=30, isolation_level=None)) as db:
            db.create_function("this_connection_must_load_colony_so", 0, lambda: 0, deterministic=True)
            db.execute("BEGIN IMMEDIATE")
            guards = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'made'")
            guards = guards.fetchall()
            for name, _ in guards:
                db.execute(f'DROP TRIGGER "{name}"')
            db.execute("DELETE FROM made WHERE app = ? AND n = ?", victim)
            for _, sql in guards:
                db.execute(sql)
            db.execute("COMMIT")
    verified = conductor.colony.nodes[0].colony("verify", "--timeout", 60, timeout=90)
    findings = [finding for node in conductor.colony.nodes
                for finding in conductor.audit.compare(node.name, node.dump())]
    return victim, findings, f"colony verify gives {verified.returncode}"


def _messages(conductor):
    return list(conductor.colony.messages(1, conductor.colony.log_end()))


def _entry_taken_out(conductor):
    """The log without the entry of one transaction, its successors moved up."""
    _, victim = _victim(conductor)
    gone = conductor.audit.seen[victim]
    messages = [(sequence - (sequence > gone), subject, message)
                for sequence, subject, message in _messages(conductor) if sequence != gone]
    return victim, _again(conductor.colony, messages)[1], f"entry {gone} taken out"


def _gap_in_the_log(conductor):
    """The same, and the numbers stay."""
    _, victim = _victim(conductor)
    gone = conductor.audit.seen[victim]
    messages = [message for message in _messages(conductor) if message[0] != gone]
    return victim, _again(conductor.colony, messages)[1], f"entry {gone} missing"


def _never_made(conductor):
    """An app was told of a commit that never was."""
    journal, _ = _victim(conductor)
    n = max(journal.tried) + 1
    with open(journal.path, "a") as file:
        file.write(f'{{"try":{n},"changes":[]}}\n{{"ok":{n}}}\n')
    return (journal.app, n), _again(conductor.colony, _messages(conductor))[1], "a journal's line made up"


def _value_changed(conductor):
    """A transaction that is in the log with another value than its app has written."""
    _, victim = _victim(conductor)
    audit, _ = _again(conductor.colony, [])
    gone = conductor.audit.seen[victim]

    meet = audit._meet

    def altered(transaction):
        for change in transaction.changes:
            if change[0] == "counters" and transaction.sequence == gone:
                change[3][1] += 1
        meet(transaction)
    audit._meet = altered
    audit.read_log(_messages(conductor))
    return victim, audit.findings, f"a value of entry {gone} changed"


TAMPERINGS = (_row_deleted_everywhere, _entry_taken_out, _gap_in_the_log, _value_changed, _never_made)


def prove(conductor, say):
    """True if each is found, with the transaction named."""
    good = True
    for tamper in TAMPERINGS:
        victim, findings, what = tamper(conductor)
        found = victim in lost(findings)
        good &= found
        say(f"{'found' if found else 'NOT FOUND'}: {tamper.__name__[1:].replace('_', ' ')} ({what}): "
            f"{len(lost(findings))} lost, among them transaction {victim[1]} of {victim[0]}", always=True)
    return good
