"""The page on which prompts are drawn: a server on this machine alone, and what it serves."""
