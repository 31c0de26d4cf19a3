"""What the screens beside the jobs look at: each look is read on the feed's thread, and returns a frozen record."""
