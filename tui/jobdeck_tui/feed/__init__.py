"""The only caller of the queue: polls it on a thread of its own and posts immutable snapshots."""
