"""The command line of vos. Only its commands join sources, sessions and sinks."""
