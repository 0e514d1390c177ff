"""Searching settings by validation score: what is searched, and which settings are to be tried next."""
