"""The widgets, one per file: each draws what it is given, and posts messages about what the user does."""
