from django.db import migrations


def move_subtitles(apps, _):
    for book in apps.get_model("library", "Book").objects.exclude(subtitle=None):
        book.summary = f"{book.title}: {book.subtitle}"
        book.save()


class Migration(migrations.Migration):
    dependencies = [("library", "0006_constraints")]
    operations = [
        migrations.RunPython(move_subtitles, migrations.RunPython.noop),
        migrations.RemoveField("Book", "subtitle"),
        migrations.DeleteModel("Shelf"),
    ]
