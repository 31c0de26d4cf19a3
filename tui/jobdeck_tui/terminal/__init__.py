"""The terminal itself: driver, event loop, line filters, clipboard."""
