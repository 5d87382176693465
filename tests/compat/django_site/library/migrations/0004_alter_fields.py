from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0003_add_fields")]
    operations = [
        migrations.AlterField("Author", "name", models.CharField(max_length=100)),
        migrations.AlterField("Book", "title", models.CharField(max_length=200)),
        migrations.AlterField("Book", "pages", models.PositiveIntegerField(default=0)),
        migrations.AlterField("Book", "price", models.DecimalField(decimal_places=2, default="9.50", max_digits=8)),
    ]
