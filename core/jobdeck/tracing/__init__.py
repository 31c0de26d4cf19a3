"""The traces that jobs belong to: with the spans of OpenTelemetry if the program uses it, and passed on without it."""
