"""The Python of tests/load, and run.sh, that starts it."""

import argparse
import json
import os
import pathlib
import resource
import sys
import unittest
from unittest import mock

from colony_cluster import ColonyTest
from processes import BIN, run

TOP = pathlib.Path(__file__).resolve().parents[2]


class LoadRun(ColonyTest):
    @staticmethod
    def module():
        sys.path.insert(0, str(TOP / "tests/load"))
        try:
            import run_load  # pylint: disable=import-outside-toplevel
            return run_load
        finally:
            sys.path.remove(str(TOP / "tests/load"))

    def room(self, hard, users, nodes=4):
        """How many services a node has, where that is all that a process may open."""
        run_load = self.module()
        options = argparse.Namespace(users=users, nodes=nodes, processes=0, phases=["headline"], fairness_users=128)
        limits = [min(256, hard), hard]

        def set_limits(_, wanted):
            if wanted[1] > limits[1]:
                raise ValueError("not allowed to raise maximum limit")
            limits[:] = wanted
        with mock.patch.object(resource, "getrlimit", lambda _: tuple(limits)), \
                mock.patch.object(resource, "setrlimit", set_limits), mock.patch.object(run_load, "say"):
            run_load.make_room(options)
        return options.processes

    def test_colony_load_run_takes_the_open_files_that_it_needs(self):
        self.assertEqual(self.room(1024, users=20), 1)
        self.assertEqual(self.room(400, users=20), 1)
        self.assertEqual(self.room(1024, users=2000), 1)
        self.assertEqual(self.room(1024, users=3000), 2)
        self.assertEqual(self.room(200_000, users=100_000), 1)
        for hard, users in ((300, 20), (511, 2000)):
            with self.assertRaisesRegex(OSError, f"may open {hard} files.*ulimit -n"):
                self.room(hard, users)

    def test_colony_load_run_says_no_ratio_of_plain_sqlite_to_itself(self):
        run_load = self.module()
        rows = [{"variant": variant, "mix": mix, "ratio_to_plain": ratio} for mix in run_load.phases.MIXES
                for variant, ratio in zip(run_load.phases.VARIANTS, (1.0, 0.9, 0.8, 0.7))]
        said = run_load.ratios(rows)
        self.assertNotIn("1.0", said)
        self.assertEqual(said.count("0.9"), 2)
        self.assertEqual(len(said.split("; ")), 6)

    def run_sh(self, *words, cwd, **environment):
        return run(TOP / "tests/load/run.sh", *words, cwd=cwd, timeout=120,
                   env={**os.environ, "BUILD": str(BIN.parent), **environment})

    def test_colony_load_run_without_its_tmpdir(self):
        directory = self.cluster("", nodes="").directory
        done = self.run_sh("--users", 20, cwd=directory, TMPDIR=str(directory / "absent"))
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
        self.assertIn("absent", done.stderr)

    def test_colony_load_run_reports_where_the_user_is(self):
        directory = self.cluster("", nodes="").directory
        done = self.run_sh("--users", 20, "--nodes", 1, "--think", 0.2, "--seconds", 1, "--ramp", 0.2, "--values", 50,
                           "--objects", 100, "--phases", "headline", "--out", "here", cwd=directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads((directory / "here/report.json").read_text())
        self.assertTrue(report["ok"])
        self.assertTrue((directory / "here/report.html").exists())


if __name__ == "__main__":
    unittest.main()
