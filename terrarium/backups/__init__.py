"""Backups of an environment's data, and restores of it as of a time, beside the old."""
