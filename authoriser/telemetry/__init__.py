"""What the authoriser shows of itself: logs that hide what nobody allowed, and metrics."""
