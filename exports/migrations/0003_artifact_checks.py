from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0002_choices_parts_presets_schedules_links")]

    operations = [
        migrations.AddField(
            model_name="artifact",
            name="stamp",
            field=models.CharField(
                blank=True,
                editable=False,
                help_text="What the file looked like when it was checked.",
                max_length=120,
            ),
        ),
        migrations.AddField(
            model_name="artifact",
            name="checked_at",
            field=models.DateTimeField(
                blank=True, help_text="When its SHA-256 was last taken.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="artifact",
            name="state",
            field=models.CharField(
                choices=[("ready", "ready"), ("damaged", "damaged"), ("expired", "expired")],
                default="ready",
                max_length=16,
            ),
        ),
    ]
