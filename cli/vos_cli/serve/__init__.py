"""The HTTP API of `vos serve`: sessions that other programs track with."""
