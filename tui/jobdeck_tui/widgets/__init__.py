"""One widget a file; each draws what it is given and posts what it is asked."""
