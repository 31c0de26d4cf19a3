"""Numbered steps that bring a database from any earlier schema to the newest. A released step never changes."""
