"""The pages of `colony --help`."""

import re

from colony_cluster import ColonyTest, colony


class Help(ColonyTest):

    def commands(self):
        """Those that the first page lists."""
        first = colony("--help").stdout
        listed = first[first.index("Commands:"):first.index("Exit codes:")]
        return re.findall(r"^  (\w+)", listed, re.MULTILINE)

    def test_help_fits_a_terminal_and_explains_exit_codes(self):
        commands = self.commands()
        self.assertIn("init", commands)
        self.assertIn("detach", commands)
        for words in [(), *((command,) for command in commands)]:
            with self.subTest(words):
                page = colony(*words, "--help")
                self.assertEqual(page.returncode, 0, page.stderr)
                self.assertEqual([line for line in page.stdout.splitlines() if len(line) > 79], [])
                self.assertIn("Exit codes:", page.stdout)
                self.assertIn("Usage: colony", page.stdout)

    def test_help_has_defaults_and_variables(self):
        page = " ".join(colony("run", "--help").stdout.split())
        self.assertIn("[default: 256MB] [$COLONY_SNAPSHOT_AFTER_SIZE]", page)
        self.assertIn("--flush before-send|never", page)
