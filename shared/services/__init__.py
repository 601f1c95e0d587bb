"""The use cases: (store, …, now) -> a domain value, or a PlatformError."""
