import django.db.models.deletion
from django.db import migrations, models


def key():
    return ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel("Author", [key(), ("name", models.CharField(max_length=50))]),
        migrations.CreateModel("Shelf", [key(), ("place", models.CharField(max_length=10))]),
        migrations.CreateModel("Tag", [key(), ("label", models.CharField(max_length=30))]),
        migrations.CreateModel("Book", [
            key(),
            ("title", models.CharField(max_length=100)),
            ("pages", models.IntegerField(null=True)),
            ("subtitle", models.CharField(max_length=100, null=True)),
            ("author", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="library.author")),
            ("tags", models.ManyToManyField(to="library.Tag")),
        ]),
    ]
