"""Doors to presets and schedules: their API and their pages."""
