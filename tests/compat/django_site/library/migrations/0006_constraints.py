from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("library", "0005_rename")]
    operations = [
        migrations.AlterUniqueTogether("Book", {("author", "title")}),
        migrations.AddConstraint("Author", models.UniqueConstraint(fields=["name"], name="one_author_of_a_name")),
        migrations.AlterField("Book", "isbn", models.CharField(db_index=True, default="", max_length=20)),
        migrations.AddIndex("Book", models.Index(fields=["title", "stock"], name="title_and_stock")),
    ]
