"""Scheduling: which task is ready, retried or skipped, and what its context is."""
