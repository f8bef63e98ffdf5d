"""What came of a schedule's last slot is kept where no job tells it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0003_artifact_checks")]

    operations = [
        migrations.AddField(
            model_name="schedule",
            name="last_note",
            field=models.CharField(
                blank=True,
                default="",
                help_text="What came of the last slot, where no job tells it.",
                max_length=500,
            ),
            preserve_default=False,
        ),
    ]
