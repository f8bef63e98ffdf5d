from django.apps import AppConfig


class DrillConfig(AppConfig):
    name = "tests.jobs.drill"
    label = "drill"
    default_auto_field = "django.db.models.BigAutoField"
