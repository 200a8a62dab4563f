"""Correcting a result of `vos track`: what is in it, what looks wrong, recomputing, undoing."""
