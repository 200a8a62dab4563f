"""Fetch images for pasted clips by name, all of them free; each kind is a module.

    python -m vos.synth.pasted_sources data/nano

What cannot be fetched is said and left out. Licences: docs/models/pasted-clips.md.
"""
