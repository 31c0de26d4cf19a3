"""The only caller of the queue: polls it on its own thread and posts immutable snapshots."""
