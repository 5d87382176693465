"""Writes books as the code of a release does, until a file is there: the models are those
that the migration --as-of leaves. Prints each book's title once it is committed."""

import itertools
import pathlib
import sys
import time

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("--as-of", required=True)
        parser.add_argument("--prefix", required=True)
        parser.add_argument("--first-id", type=int, required=True)
        parser.add_argument("--count", type=int, default=0)
        parser.add_argument("--until")

    def handle(self, as_of, prefix, first_id, count, until, **_):
        models = MigrationLoader(connection).project_state(("library", as_of)).apps
        author, book = models.get_model("library", "Author"), models.get_model("library", "Book")
        tag = models.get_model("library", "Tag")
        for n in itertools.count():
            if (count and n == count) or (until and pathlib.Path(until).exists()):
                break
            title = f"{prefix} {n}"
            try:
                with transaction.atomic():
                    by = author.objects.create(id=first_id + n, name=f"author of {title}")
                    written = book.objects.create(id=first_id + n, title=title, author=by, pages=n or None,
                                                  subtitle=f"of {prefix}" if n % 2 else None)
                    with_tag = tag.objects.create(id=first_id + n, label=f"tag {n}")
                    written.tags.through.objects.create(id=first_id + n, book=written, tag=with_tag)
            except DatabaseError as error:
                sys.exit(f"{title} was refused: {error}")
            print(title, flush=True)
            if until:
                time.sleep(0.01)
