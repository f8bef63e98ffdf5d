from django.contrib import admin

from jobs.admin import JobAdmin
from tests.jobs.drill.models import DrillJob

admin.site.register(DrillJob, JobAdmin)
