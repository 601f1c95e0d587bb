"""The daemon that holds the modules' sockets."""
