"""The job table, and the other tables and lists."""
