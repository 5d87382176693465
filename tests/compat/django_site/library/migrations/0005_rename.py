from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("library", "0004_alter_fields")]
    operations = [
        migrations.RenameField("Book", "copies", "stock"),
        migrations.RenameModel("Tag", "Label"),
        migrations.RenameField("Book", "tags", "labels"),
    ]
