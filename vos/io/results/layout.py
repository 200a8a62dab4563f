"""The names of what an output folder holds."""

from __future__ import annotations

MASKS_NAME = "masks"
"""Folder of palette PNGs, one per frame."""

MATTES_NAME = "mattes"
"""Folder of soft mattes: in a folder per object id, a grey PNG per frame that has the object."""

STATS_NAME = "stats.jsonl"
"""Numbers per frame and object, one JSON line per frame."""

OVERLAY_NAME = "overlay.mp4"
"""The source with the objects drawn over it."""

PROMPTS_NAME = "prompts.json"
"""The prompt file that tracks the same again."""

REVIEWED_NAME = "reviewed.json"
"""What somebody looked at on the page and found right; no part of the output, and never counted."""
