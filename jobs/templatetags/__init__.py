"""What the job pages need in templates."""
