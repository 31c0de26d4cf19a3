"""Completion in shells: what each shell asks, how its words are quoted, and the script that it loads."""
