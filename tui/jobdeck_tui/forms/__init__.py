"""Forms without widgets: values, options, validation and the equivalent commands."""
