"""What keeps a queue healthy: pruning, rescue, backups, the doctor."""
