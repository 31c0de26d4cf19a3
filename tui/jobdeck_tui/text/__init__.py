"""Texts, numbers and times as the commands and the cockpit show them."""
