"""The experiments, one a module, each with a function `run(stage) -> Findings`."""
