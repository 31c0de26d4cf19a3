"""What `jobdeck demo` shows: a lively workload on a throwaway queue."""
