"""Names of what an output folder holds."""

MASKS_NAME = "masks"
"""Folder of one label PNG per frame."""

STATS_NAME = "stats.jsonl"
"""One JSON line per frame: scores, areas."""

OVERLAY_NAME = "overlay.mp4"
"""The input with the masks drawn over it."""

PROMPTS_NAME = "prompts.json"
"""The prompt file that tracks the same again."""
