"""Malformed files of every kind against the commands that read them."""
