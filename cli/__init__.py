"""platformctl: what operators type."""
