"""The lab: live pictures of experiments, and their verdicts."""
