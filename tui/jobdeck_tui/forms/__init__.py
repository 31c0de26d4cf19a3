"""What forms know of values, options and commands; nothing here draws."""
