from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0002_expand")]
    operations = [
        migrations.AddField("Book", "isbn", models.CharField(default="", max_length=20)),
        migrations.AddField("Book", "copies", models.IntegerField(default=1)),
        migrations.AddField("Book", "price", models.IntegerField(default=9)),
    ]
