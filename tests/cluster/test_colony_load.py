"""colony-load: does it notice what is wrong, with the service and with what it is asked?

What a service does wrong is made by triggers in its file.
"""

import contextlib
import json
import sqlite3
import unittest

from colony_cluster import ColonyTest
from processes import run
from test_metad import COLONY_LOAD, SCHEMA, Metad

DATASET = ["--values", 50, "--objects", 100]


def refuse_writes(when):
    return f"CREATE TRIGGER no BEFORE UPDATE ON kv WHEN {when} BEGIN SELECT RAISE(ABORT, 'not today'); END;"


class ColonyLoad(ColonyTest):
    def load(self, prologue, *words):
        """Exit code, report and what was said, of users on a plain file with such triggers."""
        path = self.cluster("", nodes="").directory / "app.db"
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript(SCHEMA)
        self.assertEqual(run(COLONY_LOAD, "--prepare", path, *DATASET).returncode, 0)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript(prologue)
        service = Metad(path, extension=None)
        self.addCleanup(service.kill)
        done = run(COLONY_LOAD, "--node", f"127.0.0.1:{service.port}", *DATASET, "--users", 20, "--ramp", 0.1,
                   "--warm-up", 0, "--settle", 0.5, *words)
        return done.returncode, json.loads(done.stdout), done.stderr

    def test_colony_load_of_a_good_service(self):
        code, report, said = self.load("", "--rate", 400, "--seconds", 1)
        self.assertEqual((code, report["ok"], report["verdict"]["corrupt"]), (0, True, 0), said)
        self.assertGreater(report["verdict"]["acknowledged"], 10)
        self.assertEqual(set(report["totals"]["operations"]), {"read", "list", "write", "compare_and_set", "add_object"})

    def test_colony_load_takes_no_error_for_an_answer(self):
        code, report, said = self.load(refuse_writes("1"), "--rate", 400, "--seconds", 1, "--mix", "write=100",
                                       "--new-objects", 0)
        self.assertEqual(code, 1, said)
        totals = report["totals"]
        self.assertGreater(totals["error_count"], 100)
        self.assertEqual((totals["answers"], totals["writes"]["count"], totals["operations"]), (0, 0, {}))
        self.assertIn("write answered 409", said)

    KNEE = ["--rate", 200, "--knee", "--knee-seconds", 1, "--knee-factor", 1.5]

    def test_colony_load_ends_the_knee_at_errors(self):
        """Writes are refused once there are many objects, which no step but a later one has."""
        many = "(SELECT count(*) FROM objects WHERE key >= 'new/' AND key < 'new0') > 170"
        code, report, said = self.load(refuse_writes(many), *self.KNEE, "--mix", "write=100", "--new-objects", 0.3)
        self.assertEqual(code, 0, said)
        *good, last = report["steps"]
        self.assertGreater(len(good), 0)
        self.assertTrue(all(not step["over"] and step["error_count"] == 0 for step in good))
        self.assertTrue(last["over"])
        self.assertLess(last["p99_ms"], 250)
        self.assertIn("write answered 409", report["knee_end"])
        self.assertAlmostEqual(report["knee_rate"], good[-1]["answers_per_s"], delta=0.01)
        self.assertGreater(good[-1]["rate"], 0)

    def test_colony_load_has_no_knee_when_the_first_step_is_over(self):
        code, report, said = self.load(refuse_writes("1"), *self.KNEE)
        self.assertEqual((code, report["ok"], report["knee_rate"], len(report["steps"])), (1, False, 0, 1), said)
        self.assertIn("the first step", said)

    def spoiled(self, trigger, *words):
        code, report, said = self.load(trigger, "--rate", 400, "--seconds", 1, *words)
        self.assertEqual((code, report["ok"]), (1, False), said)
        return report

    def test_colony_load_notices_values_that_are_not_as_written(self):
        report = self.spoiled("CREATE TRIGGER short AFTER UPDATE ON kv WHEN length(new.value) > 40 BEGIN "
                              "UPDATE kv SET value = substr(new.value, 1, 40) WHERE (namespace, key) = "
                              "(new.namespace, new.key); END;")
        self.assertGreater(report["verdict"]["lost"], 0)
        self.assertGreater(report["verdict"]["corrupt"], 0)
        self.assertGreater(report["totals"]["errors"]["a value that nobody wrote"], 0)

    def test_colony_load_notices_values_of_other_keys(self):
        """Every write spoils every other value, so that the first read of any of them meets one."""
        report = self.spoiled("CREATE TRIGGER other AFTER UPDATE ON kv BEGIN UPDATE kv SET value = new.value "
                              "WHERE namespace = new.namespace AND key <> new.key; END;")
        self.assertGreater(report["totals"]["errors"]["a value that nobody wrote"], 0)

    def test_colony_load_notices_objects_that_are_not_as_added(self):
        for trigger in ("AFTER INSERT ON placements WHEN new.object LIKE 'new/%' BEGIN "
                        "UPDATE placements SET state = 'lost' WHERE object = new.object; END;",
                        "AFTER INSERT ON objects BEGIN UPDATE objects SET owner = 'ada' WHERE key = new.key; END;"):
            report = self.spoiled(f"CREATE TRIGGER spoil {trigger}", "--mix", "write=100", "--new-objects", 0.5)
            self.assertGreater(report["verdict"]["lost"], 0)
            self.assertEqual(report["verdict"]["lost"], report["verdict"]["corrupt"])
            self.assertEqual(report["totals"]["error_count"], 0)

    def test_colony_load_notices_lists_that_lack_objects(self):
        report = self.spoiled("DELETE FROM objects WHERE key LIKE 'set/00001/%7';", "--mix", "list=100")
        self.assertGreater(report["totals"]["errors"]["a list that is not of the set's objects"], 0)

    def test_colony_load_with_no_answer_at_all_is_no_success(self):
        code, report, said = self.load("", "--think", 1000, "--seconds", 0.1)
        self.assertEqual((code, report["ok"], report["totals"]["answers"]), (1, False, 0), said)
        self.assertIn("nothing was answered", said)

    def test_colony_load_refuses_nonsense(self):
        for option, *values in (("--seconds", "nan", -1, 0, "inf"), ("--settle", "nan", -1), ("--rate", -5, 0, "nan"),
                                ("--timeout", -1, 0, "nan"), ("--probes", -1, "nan"), ("--session", -1, "nan"),
                                ("--think", "nan", -1), ("--ramp", "nan", -1), ("--warm-up", "nan", -1),
                                ("--knee-seconds", "nan", 0), ("--knee-limit", "nan", -1), ("--knee-factor", "nan", 1),
                                ("--new-objects", "nan", 2), ("--skew", "nan"), ("--users", 0, -1, "x"),
                                ("--mix", "read=nan", "read=inf", "read=-1", "read"), ("--seed", -1)):
            for value in values:
                with self.subTest(option=option, value=value):
                    done = run(COLONY_LOAD, "--node", "127.0.0.1:1", f"{option}={value}")
                    self.assertEqual((done.returncode, done.stdout), (2, ""))
                    self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                    self.assertIn(option, done.stderr)

    def test_colony_load_refuses_a_rate_that_is_none(self):
        done = run(COLONY_LOAD, "--node", "127.0.0.1:1", "--users", 1_000_000, "--rate", 0.01)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)


if __name__ == "__main__":
    unittest.main()
