"""The worker: claims jobs, dispatches them to threads and processes, records results, renews leases."""
