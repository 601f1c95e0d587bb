"""The daemon's loops: one file each, one tick at a time."""
