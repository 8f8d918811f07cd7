"""Shared, pure but for awaits: the difference between wanted and found, and one verb to mend it."""
