"""Addresses of presets and schedules, below those of exports."""

from django.urls import URLPattern, URLResolver, path

from exports.recurring import api, schedule_views, views

urlpatterns: list[URLPattern] = [
    path("presets/", views.preset_list, name="presets"),
    path("presets/new/", views.preset_new, name="preset-new"),
    path("presets/<int:pk>/", views.preset_detail, name="preset"),
    path("presets/<int:pk>/export/", views.preset_export, name="preset-export"),
    path("presets/<int:pk>/delete/", views.preset_delete, name="preset-delete"),
    path("schedules/", schedule_views.schedule_list, name="schedules"),
    path("schedules/new/", schedule_views.schedule_new, name="schedule-new"),
    path("schedules/<int:pk>/", schedule_views.schedule_detail, name="schedule"),
    path("schedules/<int:pk>/run/", schedule_views.schedule_run, name="schedule-run"),
    path("schedules/<int:pk>/switch/", schedule_views.schedule_switch, name="schedule-switch"),
    path("schedules/<int:pk>/delete/", schedule_views.schedule_delete, name="schedule-delete"),
]

api_urlpatterns: list[URLPattern | URLResolver] = [
    *api.router.urls,
    path("presets/<int:pk>/export/", api.PresetExportView.as_view(), name="api-preset-export"),
    path("schedules/<int:pk>/run/", api.ScheduleRunView.as_view(), name="api-schedule-run"),
]
