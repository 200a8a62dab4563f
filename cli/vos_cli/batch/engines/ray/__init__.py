"""Batches on Ray: a connection, an engine and its workers."""
