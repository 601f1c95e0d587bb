"""The platform's figures, each measured beside its limit in the same run."""
