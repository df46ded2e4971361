"""Suites, runs and reports: systems compared on tasks, honestly."""
