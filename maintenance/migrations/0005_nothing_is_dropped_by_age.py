from typing import Any

from django.db import migrations, models

CHOICES = [
    ("keep", "keep it (the nightly move takes its messages down by their age)"),
    ("offload", "offload it to files, and drop its collection once they were read back"),
]


def keep_what_was_held_back(apps: Any, schema_editor: Any) -> None:
    """A policy that said "drop" has held its months back: they are kept, as they were."""
    apps.get_model("maintenance", "StoragePolicy").objects.filter(sealed_retention="drop").update(
        sealed_retention="keep"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("maintenance", "0004_no_warm_ttl"),
    ]

    operations = [
        migrations.RunPython(keep_what_was_held_back, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="storagepolicy",
            name="sealed_retention",
            field=models.CharField(choices=CHOICES, default="keep", max_length=16),
        ),
    ]
