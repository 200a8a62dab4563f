"""Commands that write, killed at random moments, and what the next one finds."""
