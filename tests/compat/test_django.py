"""`migrate` of Django's own apps and of one with all kinds of migrations."""

import pathlib
import re

from compat_colony import CompatTest, Program, columns_of, environment, tables_of, tool
from processes import PATIENCE_S, until

SITE = pathlib.Path(__file__).resolve().parent / "django_site"
PYTHON = "/usr/bin/python3"


def manage(*words):
    return [PYTHON, SITE / "manage.py", *words]


def migrate(node, *words):
    return tool(*manage("migrate", "--no-color", *words), env=environment(node), cwd=SITE)


def start(node, name, *words):
    return Program(node, name, manage(*words), env=environment(node), cwd=SITE)


def migrate_at_once(nodes):
    """As services do that migrate when they start. One whose plan was made before another
    node's migrations came fails at what is there already, and is started again."""
    programs = {node: start(node, "migrate", "migrate", "--no-color") for node in nodes}
    for again in range(10):
        for program in programs.values():
            program.process.wait(PATIENCE_S)
        failed = [node for node, program in programs.items() if program.process.returncode != 0]
        for node in failed:
            said = programs[node].said().splitlines()[-1]
            if again == 9 or not re.search("already exists|duplicate column name|no such (column|table)|UNIQUE constraint failed", said):
                raise AssertionError(programs[node].said()[-3000:])
            programs[node] = start(node, "migrate", "migrate", "--no-color")


def write_books(node, release, first_id, count):
    tool(*manage("write_books", "--as-of", release, "--prefix", f"{node.name}{first_id}", "--first-id", first_id,
                 "--count", count), env=environment(node), cwd=SITE)


class Django(CompatTest):
    def library(self):
        """Both nodes at the first release, and with rows of both."""
        cluster, a, b = self.two_nodes()
        migrate(a, "library", "0001_initial")
        migrate(a, "admin")
        migrate(a, "sessions")
        cluster.settle()
        for n, node in enumerate((a, b)):
            write_books(node, "0001_initial", 100 * (n + 1), 4)
        self.assertEqual(self.kinds(self.assert_alike(cluster)), [])
        return cluster, a, b

    def assert_migrated(self, cluster):
        """Both at the last release, with each row in its final form, and usable."""
        a, b = cluster.nodes
        journal = self.assert_alike(cluster)
        for node in cluster.nodes:
            said = migrate(node)
            self.assertIn("No migrations to apply", said)
            tool(*manage("check"), env=environment(node), cwd=SITE)
            self.assertEqual(columns_of(node, "library_book"),
                             columns_of(a, "library_book"))
            self.assertEqual(set(columns_of(node, "library_book")),
                             {"id", "title", "pages", "author_id", "summary", "isbn", "stock", "price"})
            self.assertNotIn("library_shelf", tables_of(node))
            self.assertNotIn("library_tag", tables_of(node))
            self.assertEqual(node.query("SELECT count(*) FROM django_migrations WHERE app = 'library'"), [(7,)])
            wrong = node.query("SELECT id, title, pages, isbn, stock, price, summary FROM library_book WHERE "
                               "pages IS NULL OR isbn <> '' OR stock <> 1 OR price <> 9")
            self.assertEqual(wrong, [])
            for key, title, summary in node.query("SELECT id, title, summary FROM library_book"):
                prefix, n = title.split()
                self.assertEqual(summary, f"{title}: of {prefix}" if int(n) % 2 else title.upper(), key)
            self.assertEqual(node.one("SELECT count(*) FROM library_book_labels JOIN library_label AS l ON l.id = label_id "
                                      "JOIN library_book AS b ON b.id = book_id"), node.one("SELECT count(*) FROM library_book"))
        return journal

    def assert_nothing_lost(self, node, journal):
        """But for rows that both nodes have made alike, under whatever numbers."""
        numbered = {"django_migrations": ("app", "name"), "django_content_type": ("app_label", "model"),
                    "auth_permission": ("codename", "name")}
        for conflict in self.lost(node, journal, but=("applied", "summary")):
            columns = [column for column in numbered.get(conflict["table"], ()) if column in conflict["lost"]]
            where = " AND ".join(f"{column} = ?" for column in columns)
            values = [conflict["lost"][column] for column in columns]
            alike = columns and node.one(f"SELECT count(*) FROM {conflict['table']} WHERE {where}", *values)
            self.assertTrue(alike, conflict)

    def test_django_from_nothing_one_after_another(self):
        cluster, a, b = self.two_nodes()
        migrate(a)
        cluster.settle()
        said = migrate(b)
        self.assertIn("No migrations to apply", said)
        self.assertEqual(self.kinds(self.assert_migrated(cluster)), [])
        tool(*manage("createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"),
             env=environment(b, DJANGO_SUPERUSER_PASSWORD="secret"), cwd=SITE)
        self.assert_alike(cluster)
        self.assertEqual(a.query("SELECT username FROM auth_user"), [("root",)])

    def at_once(self, cluster):
        """Both migrate, and neither hears of the other until both are done."""
        for node in cluster.nodes:
            node.stop()
        programs = [start(node, "migrate", "migrate", "--no-color") for node in cluster.nodes]
        for program in programs:
            program.finish()
        for node in cluster.nodes:
            node.start()

    def test_django_from_nothing_at_once(self):
        cluster, a, b = self.two_nodes()
        self.at_once(cluster)
        self.assert_nothing_lost(a, self.assert_migrated(cluster))

    def test_django_from_nothing_racing(self):
        cluster, a, b = self.two_nodes()
        migrate_at_once([a, b])
        self.assert_nothing_lost(a, self.assert_migrated(cluster))

    def test_django_one_after_another(self):
        cluster, a, b = self.library()
        migrate(a)
        cluster.settle()
        self.assertIn("No migrations to apply", migrate(b))
        self.assertEqual(self.kinds(self.assert_migrated(cluster)), [])
        self.assertEqual(a.one("SELECT count(*) FROM library_book"), 8)

    def test_django_at_once(self):
        cluster, a, b = self.library()
        self.at_once(cluster)
        self.assert_nothing_lost(a, self.assert_migrated(cluster))
        self.assertEqual(a.one("SELECT count(*) FROM library_book"), 8)

    def test_django_racing(self):
        """Each hears of the other's migrations while it is at its own."""
        cluster, a, b = self.library()
        migrate_at_once([a, b])
        self.assert_nothing_lost(a, self.assert_migrated(cluster))
        self.assertEqual(a.one("SELECT count(*) FROM library_book"), 8)

    def test_django_while_the_other_is_away(self):
        cluster, a, b = self.library()
        b.stop()
        migrate(a)
        write_books(b, "0001_initial", 300, 4)
        migrate(b)
        b.start()
        journal = self.assert_migrated(cluster)
        # What had no place as it was is there as b's own migration has made it.
        displaced = [(conflict["table"], conflict["key"]["id"]) for conflict in journal if conflict["kind"] == "no_place"]
        self.assertEqual(sorted(displaced), [("library_book", 301), ("library_book", 303)] +
                         [("library_book_tags", 300 + n) for n in range(4)])
        self.assert_nothing_lost(a, [conflict for conflict in journal if conflict["kind"] != "no_place"])
        self.assertEqual(a.one("SELECT count(*) FROM library_book"), 12)

    def test_django_rows_of_the_old_release_that_waited(self):
        """The other node never migrates by itself: rows of its old code come late."""
        cluster, a, b = self.library()
        b.stop()
        migrate(a)
        write_books(b, "0001_initial", 300, 4)
        b.start()
        cluster.settle()
        self.assertEqual(a.one("SELECT count(*) FROM library_book"), 12)
        self.assertEqual(a.query("SELECT id, title, pages, isbn, stock, price FROM library_book WHERE id >= 300"),
                         [(300 + n, f"b300 {n}", n, "", 1, 9) for n in range(4)])
        journal = self.assert_alike(cluster)
        # The data migration ran without these rows, and the tags went into another table
        # without theirs: they are in the journal.
        self.assertEqual({conflict["kind"] for conflict in journal}, {"no_place"})
        subtitles = [conflict["lost"] for conflict in journal if conflict["table"] == "library_book"]
        self.assertEqual(subtitles, [{"subtitle": "of b300"}] * 2)
        tags = [conflict["lost"]["book_id"] for conflict in journal if conflict["table"] == "library_book_tags"]
        self.assertEqual(sorted(tags), [300, 301, 302, 303])
        self.assertEqual(len(journal), 6)

    def test_django_back_to_nothing(self):
        cluster, a, b = self.library()
        migrate(a)
        cluster.settle()
        migrate(b, "library", "0005_rename")
        cluster.settle()
        migrate(a, "library", "zero")
        self.assertEqual(self.kinds(self.assert_alike(cluster)), [])
        self.assertEqual([name for name in tables_of(b) if name.startswith("library")], [])

    def test_django_rolling_upgrade(self):
        """Old code goes on writing on both nodes while one of them migrates by what it can live
        with, and new code begins. The rest is done once there is no old code."""
        cluster, a, b = self.library()
        stop = cluster.directory / "stop"

        def writer(node, release, first_id):
            prefix = f"{node.name}{release[:4]}w"
            return start(node, prefix, "write_books", "--as-of", release, "--prefix", prefix, "--first-id", str(first_id),
                         "--until", str(stop))

        programs = [writer(a, "0001_initial", 10000), writer(b, "0001_initial", 20000)]
        self.all_write(programs)
        migrate(a, "library", "0002_expand")
        programs.append(writer(a, "0002_expand", 30000))
        until(lambda: "summary" in columns_of(b, "library_book"), "the new column has come to b")
        programs.append(writer(b, "0002_expand", 40000))
        self.all_write(programs)
        stop.touch()
        for program in programs:
            program.finish()
        titles = {line for program in programs for line in program.lines()}
        self.assertEqual(self.kinds(self.assert_alike(cluster)), [])
        migrate(a)
        cluster.settle()
        self.assertIn("No migrations to apply", migrate(b))
        self.assertEqual(self.kinds(self.assert_alike(cluster)), [])
        for node in (a, b):
            present = {row[0] for row in node.query("SELECT title FROM library_book")}
            self.assertEqual(titles - present, set(), f"lost on {node.name}")
            self.assertEqual(len(present), len(titles) + 8)
            self.assertEqual(node.one("SELECT count(*) FROM library_book_labels"), len(present))

    def all_write(self, programs, books=10):
        """Each writes this many more."""
        before = [len(program.lines()) for program in programs]

        def have_written():
            for program in programs:
                if not program.runs():
                    raise AssertionError(f"{program.log.name} ended: {program.said()[-2000:]}")
            return all(len(program.lines()) >= n + books for program, n in zip(programs, before))
        until(have_written, lambda: f"all write: {[program.lines()[-1:] for program in programs]}")
