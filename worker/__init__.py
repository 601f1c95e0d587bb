"""The worker: what is due by time, in plain threads over the synchronous store."""
