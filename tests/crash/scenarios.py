"""How each step is reached: a scenario kills what passes it, starts it again, and asks
whether all is there. Every function takes the broker's port, the cell's name and the
step with the passings at which to kill, and raises AssertionError."""

import contextlib
import json
import shutil
import sqlite3

from crash_colony import CrashColony, connect_plainly, plain_rows
from processes import SQLITE, run, until

BOTH = (1, 3)
ONCE = (1,)  # what a process passes only once
# Snapshots all the time, and a log that is cut at once.
EAGER = ("--snapshot-after-size", "1", "--log-keep-entries", "1", "--snapshots-keep", "1", "--gone-after", "1s")


@contextlib.contextmanager
def colony(*arguments, **more):
    made = CrashColony(*arguments, **more)
    try:
        yield made
    finally:
        made.close()


def running(port, cell, step, passings):
    """The sidecar comes back to a backlog of its own and of the others', and dies of it."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        victim = made.nodes[0]
        victim.kill()
        for passing in passings:
            made.await_backlog(victim)
            made.launch(victim, step, passing)
            made.await_death(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()


def running_from_log(port, cell, step, passings):
    """The same as running(); a plain program writes to the victim's file and makes no checkpoint, so that the log
    tells of all."""
    from_log(port, cell, step, passings, ())


def running_missed(port, cell, step, passings):
    """The same, and while the victim is away its log is copied and begun anew."""
    from_log(port, cell, step, passings, ("PASSIVE", "FULL", "RESTART", "TRUNCATE"))


def from_log(port, cell, step, passings, checkpoints):
    with colony(port, cell, nodes="abc") as made:
        victim, other = made.nodes[:2]
        made.capture_from_log(victim, *checkpoints)
        made.start()
        other.wait()
        made.done("snapshot", other.path)
        made.start_apps()
        victim.kill()
        for passing in passings:
            made.await_backlog(victim)
            made.launch(victim, step, passing)
            made.await_death(victim)
            made.whole(victim.path)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()


def schema_from_log(port, cell, step, passings):
    """A plain program changes the schema and goes on; it is captured, and the capture dies uncommitted."""
    with colony(port, cell, nodes="abc") as made:
        victim, other = made.nodes[:2]
        made.capture_from_log(victim, "PASSIVE")
        made.start()
        other.wait()
        made.done("snapshot", other.path)
        made.start_apps()
        victim.kill()
        made.launch(victim, step)
        victim.await_state("running")
        with contextlib.closing(connect_plainly(victim.path)) as db:
            db.executescript(f"BEGIN IMMEDIATE; {MIGRATION}; COMMIT")
        made.await_death(victim)
        made.await_backlog(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()
        check_migrated(made)


def read_from_log(port, cell, step, passings):
    """Somebody asks for a proof of all that a plain program has committed."""
    with colony(port, cell, nodes="abc") as made:
        victim, other = made.nodes[:2]
        made.capture_from_log(victim, "PASSIVE", "RESTART")
        made.start()
        other.wait()
        made.done("snapshot", other.path)
        made.start_apps()
        victim.kill()
        for passing in passings:
            made.launch(victim, step, passing)
            victim.await_state("running")
            while victim.runs():
                made.command("verify", other.path, "--timeout", "2")
        made.await_death(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()
        assert made.command("verify", other.path).returncode == 0


def long_log(port, cell, step, passings):
    """The write-ahead log is long enough to be begun anew."""
    with colony(port, cell, nodes="abc") as made:
        victim, other = made.nodes[:2]
        made.capture_from_log(victim, "PASSIVE")
        made.start()
        for node in made.nodes[1:]:
            made.start_app(node)
        victim.kill()
        for passing in passings:
            made.launch(victim, step, passing)
            victim.await_state("running")
            with contextlib.closing(connect_plainly(victim.path)) as db:
                def goes_on():
                    db.execute("UPDATE large SET body = randomblob(3000)")
                    return not victim.runs()
                until(goes_on, lambda: f"the step is reached: {victim.said()[-600:]}")
            made.await_death(victim)
            made.whole(victim.path)
        made.start_app(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()


def first_contact(port, cell, step, passings):
    """The first start of a colony."""
    for passing in passings:
        with colony(port, f"{cell}-{passing}") as made:
            made.start_apps()
            victim = made.nodes[0]
            made.launch(victim, step, passing)
            until(lambda: not victim.runs() or victim.status()["position"] > 0, "it begins the colony, or dies")
            for node in made.nodes[1:]:
                made.launch(node)
            made.await_death(victim)
            made.launch(victim)
            victim.await_state("running")
            made.stop_apps()
            made.check()


def proof(port, cell, step, passings):
    """What is sent besides transactions, when somebody asks for a proof."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        victim, other = made.nodes[:2]
        victim.kill()
        for passing in passings:
            made.launch(victim, step, passing)
            victim.await_state("running")
            made.command("verify", other.path, "--timeout", "2")
            made.await_death(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()
        assert made.command("verify", other.path).returncode == 0


def bulk(port, cell, step, passings):
    """Transactions larger than an entry, and a write-ahead log that has to be written back."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        victim, other = made.nodes[:2]
        victim.kill()
        for passing in passings:
            for _ in range(3):
                other.sql("UPDATE large SET body = randomblob(3000)")
            made.launch(victim, step, passing)
            made.await_death(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()


def leave_seen(port, cell, step, passings):
    """Another node leaves."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        victim, leaver = made.nodes[0], made.nodes[2]
        victim.kill()
        made.launch(victim, step)
        victim.await_state("running")
        made.stop_apps()
        made.done("leave", leaver.path)
        made.await_death(victim)
        made.launch(victim)
        made.nodes.remove(leaver)
        made.check()
        leaver.kill()
        assert "c" not in victim.one("SELECT group_concat(node) FROM __colony_origins")


def leave_command(port, cell, step, passings):
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        leaver = made.nodes[2]
        made.stop_apps()
        made.command("leave", leaver.path, step=step)
        again = made.command("leave", leaver.path)
        assert again.returncode == 0 or "has left" in again.stderr, again.stderr
        made.nodes.remove(leaver)
        made.check()
        leaver.kill()


MIGRATION = """CREATE TABLE later(k INTEGER PRIMARY KEY, v); INSERT INTO later VALUES(1, 'one');
CREATE INDEX of_later ON later(v); ALTER TABLE large ADD COLUMN extra DEFAULT 7; UPDATE large SET extra = 8 WHERE id = 1;"""


def migration(made):
    file = made.directory / "migration.sql"
    file.write_text(MIGRATION)
    return file


def check_migrated(made):
    for node in made.nodes:
        assert node.query("SELECT * FROM later") == [(1, "one")], node.name
        assert node.one("SELECT count(*) FROM large WHERE extra = 7") == 699, node.name


def migrate(port, cell, step, passings):
    """The command that changes the schema dies, and is given again."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        node = made.nodes[0]
        words = ("migrate", node.path, migration(made))
        made.command(*words, step=step)
        made.whole(node.path)
        again = made.command(*words)
        assert again.returncode == (2 if step == "migrate.committed" else 0), again.stdout + again.stderr
        made.stop_apps()
        made.check()
        check_migrated(made)


def schema_install(port, cell, step, passings):
    """The same as install(); and the schema has changed in what was cut."""
    install(port, cell, step, passings, migrates=True)


def install(port, cell, step, passings, migrates=False, checkpoints=None):
    """The log is cut while a node is away; its app goes on meanwhile."""
    with colony(port, cell, flags=()) as made:
        victim, other = made.nodes[:2]
        if checkpoints is not None:
            made.capture_from_log(victim, *checkpoints)
        made.start()
        made.start_apps()
        victim.kill()
        made.await_backlog(victim)
        if migrates:
            made.done("migrate", other.path, migration(made))
        other.wait()
        made.done("snapshot", other.path)
        position = other.status()["position"]
        assert victim.status()["position"] < position - 1
        with made.cluster.broker.client() as client:
            client.api(f"STREAM.PURGE.COLONY_{cell}", seq=snapshot_position(made, other))
        made.launch(victim, step)
        made.await_death(victim)
        made.await_backlog(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()
        assert "installed a snapshot" in victim.said() or step.endswith("install.committed")
        if migrates:
            check_migrated(made)


def install_from_log(port, cell, step, passings):
    """The same as install() with a plain program, which makes no checkpoint: what it has committed could not be found
    otherwise than by the write-ahead log, since what its rows must be is cut."""
    install(port, cell, step, passings, checkpoints=())


def snapshot_position(made, node):
    return json.loads(made.done("snapshots", node.path, "--json"))["snapshots"][-1]["position"]


def join(port, cell, step, passings):
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        made.nodes[0].wait()
        made.done("snapshot", made.nodes[0].path)
        new = made.add("e")
        identity = ("--cluster", cell, "--node", "e")
        made.launch(new, step, flags=identity)
        made.await_death(new)
        assert new.path.exists() == (step == "join.in_place")
        made.launch(new, flags=identity)
        until(new.path.exists, new.said)
        new.await_state("running")
        made.stop_apps()
        made.check()
        assert not [path for path in new.directory.iterdir() if "-colony-join" in path.name]


def snapshot(port, cell, step, passings):
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        node = made.nodes[0]
        made.await_backlog(node, 0)
        made.command("snapshot", node.path, step=step)
        made.done("snapshot", node.path)
        node.stop()
        made.launch(node, flags=())  # which clears away what the killed one has left
        until(lambda: not [path for path in node.directory.iterdir() if "-colony-snapshot-" in path.name],
              "no unfinished snapshots are left")
        made.stop_apps()
        made.check()
        new = made.add("e")
        made.launch(new, flags=("--cluster", cell, "--node", "e"))
        until(new.path.exists, new.said)
        made.check()


def housekeeping(port, cell, step, passings):
    """The sidecar that makes snapshots all the time, and cuts the log behind them."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        victim = made.nodes[0]
        victim.kill()
        for passing in passings:
            made.launch(victim, step, passing, flags=EAGER)
            made.await_death(victim)
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()


def plain_file(port, cell, step, passings, *words):
    """A command that makes a plain file: it is there and whole, or it is not there."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        made.stop_apps()
        node = made.nodes[0]
        made.check()
        made.done("snapshot", node.path)
        words = [node.path if word == "DB" else word for word in words]
        out = made.directory / "out.db"
        words = [out if word == "OUT" else word for word in words]
        words = [cell if word == "CLUSTER" else made.cluster.broker.url if word == "BROKER" else word for word in words]
        made.command(*words, step=step)
        assert out.exists() == step.endswith(".in_place")
        if not out.exists():
            made.done(*words)
        expected = [node.query(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("ledger", "counters", "shared")]
        assert plain_rows(out) == expected
        left = [path.name for path in made.directory.iterdir() if "unfinished" in path.name]
        assert not left or step.endswith(".in_place"), left


def backup(port, cell, step, passings):
    plain_file(port, cell, step, passings, "snapshot", "DB", "--to", "OUT")


def restore(port, cell, step, passings):
    plain_file(port, cell, step, passings, "restore", "OUT", "--cluster", "CLUSTER", "--nats", "BROKER")


def repair(port, cell, step, passings):
    """Rows differ from the log, apps and sidecars go on, and the command that mends it dies."""
    way = "--keep-mine" if step == "repair.outbox_written" else "--take-theirs"
    with colony(port, cell, flags=()) as made:
        made.start()
        victim, other = made.nodes[:2]
        for node in made.nodes[1:]:
            made.start_app(node)
        victim.wait()
        made.done("snapshot", other.path)
        victim.stop()
        victim.sql("BEGIN; DELETE FROM large WHERE id = 7; UPDATE large SET body = 'mine' WHERE id = 8; COMMIT; "
                   "DELETE FROM __colony_outbox")  # nobody has captured it
        made.launch(victim)
        victim.await_state("running")
        made.start_app(victim)
        made.command("repair", victim.path, way, step=step)
        made.done("repair", victim.path, way)
        assert "nothing differs" in made.done("repair", victim.path)
        made.stop_apps()
        made.check()
        rows = victim.query("SELECT id, typeof(body) FROM large WHERE id IN (7, 8)")
        assert rows == ([(8, "text")] if way == "--keep-mine" else [(7, "blob"), (8, "blob")]), rows
        beside = [path for path in victim.directory.iterdir() if "-colony-" in path.name]
        assert all("-colony-repair-" in path.name and path.suffix == ".db" for path in beside), beside
        for path in beside:  # one for each that came so far
            made.whole(path)
            with contextlib.closing(sqlite3.connect(path)) as kept:
                assert kept.execute("SELECT id, body FROM large").fetchall() == [(8, "mine")]
        assert bool(beside) == (way == "--take-theirs")


def missed(port, cell, step, passings):
    """Programs write to a file in wal mode that has no sidecar, and its write-ahead log is begun anew; the sidecar
    that finds it out dies, and they write more."""
    with colony(port, cell, flags=()) as made:
        made.start()
        victim, other = made.nodes[:2]
        for node in made.nodes[1:]:
            made.start_app(node)
        victim.wait()
        made.done("snapshot", other.path)
        victim.stop()
        made.done("init", victim.path, "--cluster", cell, "--node", victim.name, "--capture", "wal")
        write_unseen(victim, "DELETE FROM large WHERE id = 7; UPDATE large SET body = 'mine' WHERE id = 8; "
                             "ALTER TABLE large ADD COLUMN extra DEFAULT 5")
        made.launch(victim, step)
        made.await_death(victim)
        made.whole(victim.path)
        write_unseen(victim, "UPDATE large SET body = 'again', extra = 6 WHERE id = 8; DELETE FROM large WHERE id = 9; "
                             "CREATE TABLE later(k INTEGER PRIMARY KEY, v); INSERT INTO later VALUES(1, 'one')")
        made.launch(victim)
        victim.await_state("running")
        made.stop_apps()
        made.check()
        for node in made.nodes:
            rows = node.query("SELECT id, body, extra FROM large WHERE id < 10 AND (id > 8 OR body = 'again')")
            assert rows == [(8, "again", 6)], f"{node.name}: {rows}"
            assert node.query("SELECT * FROM later") == [(1, "one")], node.name
        assert victim.one("SELECT count(*) FROM __colony_conflicts WHERE table_name IN ('large', 'later')") == 0
        beside = [path for path in victim.directory.iterdir() if "-colony-expected-" in path.name]
        assert not beside, beside


def write_unseen(node, sql):
    with contextlib.closing(sqlite3.connect(node.path, timeout=20, isolation_level=None)) as db:
        db.executescript(f"BEGIN; {sql}; COMMIT")
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)


def init(port, cell, step, passings):
    """A file becomes a node's; a copy of one becomes another node's."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        new = made.add("e")
        if step == "init.renamed":
            made.nodes[0].wait()
            run(SQLITE, made.nodes[0].path, f".backup {new.path}")
        else:
            shutil.copy(made.directory / "seed.db", new.path)
        words = ("init", new.path, "--cluster", cell, "--node", "e")
        made.command(*words, step=step)
        made.whole(new.path)
        assert new.one("SELECT count(*) FROM large") == 700
        made.done(*words)
        made.start_app(new)
        made.launch(new)
        new.await_state("running")
        made.stop_apps()
        made.check()


def comparison(port, cell, step, passings):
    """A file that began with the same rows comes late, and is compared with the colony's."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        made.nodes[0].wait()
        new = made.add("e")
        shutil.copy(made.directory / "seed.db", new.path)
        made.done("init", new.path, "--cluster", cell, "--node", "e")
        made.start_app(new)
        made.launch(new, step)
        made.await_death(new)
        assert new.status()["position"] == 0
        assert "e" not in made.nodes[0].one("SELECT group_concat(node) FROM __colony_origins")
        made.launch(new)
        new.await_state("running")
        made.stop_apps()
        made.check()
        left = [path.name for path in new.directory.iterdir() if path.name.endswith(("-colony-base", "-colony-compare"))]
        assert not left, left


def merge(port, cell, step, passings):
    """A file with rows of its own is to be merged."""
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        new = made.add("e")
        shutil.copy(made.directory / "seed.db", new.path)
        run(SQLITE, new.path, "DELETE FROM counters WHERE node <> 'e'; DELETE FROM shared;"
            "INSERT INTO shared(id, code) VALUES(9, 9)")
        words = ("init", new.path, "--cluster", cell, "--node", "e", "--merge")
        for passing in passings:
            made.command(*words, step=step, passing=passing)
            made.whole(new.path)
            assert new.one("SELECT count(*) FROM large") == 700
        assert "to be merged: 702 rows" in made.done(*words)
        made.start_app(new)
        made.launch(new)
        new.await_state("running")
        made.stop_apps()
        made.check()
        assert made.nodes[0].one("SELECT code FROM shared WHERE id = 9") == 9


def detach(port, cell, step, passings):
    with colony(port, cell) as made:
        made.start()
        made.start_apps()
        made.stop_apps()
        made.check()
        node = made.nodes[2]
        rows = [node.query(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("ledger", "counters", "shared")]
        node.stop()
        made.command("detach", node.path, step=step)
        made.whole(node.path)
        again = made.command("detach", node.path)
        assert again.returncode == 0 or "does not belong to a colony" in again.stderr, again.stderr
        assert plain_rows(node.path) == rows
        assert node.one("PRAGMA journal_mode") == "delete", "the former journal mode"
        made.nodes.remove(node)
        made.check()


def recover(port, cell, step, passings):
    """The broker has lost the log, apps go on, and the command that goes on without it dies."""
    with colony(port, cell, flags=()) as made:
        made.start()
        made.start_apps()
        made.nodes[0].wait()
        with made.cluster.broker.client() as client:
            client.api(f"STREAM.DELETE.COLONY_{cell}")
        for node in made.nodes:
            until(lambda: "is gone" in (node.status()["error"] or ""), lambda: f"{node.name} halts: {node.status()}")
        best = max(made.nodes, key=lambda node: node.one("SELECT sum(piece) FROM __colony_origins"))
        made.command("recover", best.path, step=step)
        again = made.command("recover", best.path)
        assert again.returncode == (1 if step == "recover.log_released" else 0), again.stdout + again.stderr
        for node in made.nodes:
            node.await_state("running")
        made.stop_apps()
        made.check()


def application(port, cell, step, passings):
    """The app dies in the middle of a commit, and begins again."""
    with colony(port, cell) as made:
        made.start()
        node = made.nodes[0]
        for other in made.nodes[1:]:
            made.start_app(other)
        made.app_kills = len(passings)
        for passing in passings:
            process = made.start_app(node, f"{step}:{passing}", is_large=step.startswith("spill."))
            process.join(40)
            assert process.exitcode == -9, f"not reached: the app ended with {process.exitcode}"
            made.whole(node.path)
        made.start_app(node)
        before = node.one("SELECT count(*) FROM ledger WHERE node = 'a'")
        until(lambda: node.one("SELECT count(*) FROM ledger WHERE node = 'a'") >= before + 4, "the app goes on")
        made.stop_apps()
        made.check()


# By the name of a step, or of its part: the scenario, and at which passings it kills.
SCENARIOS = {
    "publisher": (running, BOTH),
    "publisher.hello_sent": (first_contact, ONCE),
    "publisher.control_sent": (proof, ONCE),
    "applier": (running, BOTH),
    "applier.met_log": (running, ONCE),
    "applier.epoch_written": (first_contact, ONCE),
    "applier.epoch_committed": (first_contact, ONCE),
    "applier.hello_absorbed": (first_contact, BOTH),
    "applier.fragment_kept": (bulk, BOTH),
    "applier.log_written_back": (bulk, ONCE),
    "applier.leave_absorbed": (leave_seen, ONCE),
    "rebase": (running, BOTH),
    "sidecar": (running, ONCE),
    "install": (install, ONCE),
    "schema_install": (schema_install, ONCE),
    "migrate": (migrate, ONCE),
    "join": (join, ONCE),
    "snapshot": (snapshot, ONCE),
    "housekeeper": (housekeeping, ONCE),
    "backup": (backup, ONCE),
    "restore": (restore, ONCE),
    "repair": (repair, ONCE),
    "missed": (missed, ONCE),
    "wal_capture": (running_from_log, BOTH),
    "wal_capture.follows": (running_from_log, ONCE),
    "wal_capture.pin_moved": (running_missed, BOTH),
    "wal_capture.schema_queued": (schema_from_log, ONCE),
    "wal_capture.read_begins": (read_from_log, ONCE),
    "wal_shortener": (long_log, BOTH),
    "init": (init, ONCE),
    "leave": (leave_command, ONCE),
    "recover": (recover, ONCE),
    "detach": (detach, ONCE),
    "comparison": (comparison, ONCE),
    "merge": (merge, BOTH),
    "capture": (application, BOTH),
    "spill": (application, BOTH),
}


# Those that kill a node in wal mode, too, beside others in session mode. Its log is begun anew in most.
FROM_LOG = {
    "applier.committed": (running_missed, BOTH),
    "applier.locked": (running_from_log, BOTH),
    "applier.progress_written": (running_from_log, BOTH),
    "applier.undone": (running_missed, ONCE),
    "publisher.sent": (running_missed, BOTH),
    "rebase.one_redone": (running_from_log, ONCE),
    "install.locked": (install_from_log, ONCE),
    "install.committed": (install_from_log, ONCE),
}


def scenario_of(step):
    return SCENARIOS.get(step) or SCENARIOS.get(step.partition(".")[0])


def ways_to(step):
    """The scenarios that kill there, each with the passings."""
    return [scenario_of(step)] + ([FROM_LOG[step]] if step in FROM_LOG else [])
