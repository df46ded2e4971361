"""Contributions: written, trained, checked, registered and published."""
