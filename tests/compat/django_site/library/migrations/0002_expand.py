"""What code that does not know of it can live with."""

import django.db.models.deletion
from django.db import migrations, models


def summarize(apps, _):
    for book in apps.get_model("library", "Book").objects.filter(summary=None):
        book.summary = book.title.upper()
        book.save(update_fields=["summary"])


class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]
    operations = [
        migrations.AddField("Author", "born", models.IntegerField(null=True)),
        migrations.AddField("Book", "summary", models.TextField(null=True)),
        migrations.CreateModel("Loan", [
            ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
            ("reader", models.CharField(max_length=50)),
            ("book", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="library.book")),
        ]),
        migrations.RunPython(summarize, migrations.RunPython.noop),
    ]
