"""What is answered at once, without a job: live exports, and what an export would come to."""
