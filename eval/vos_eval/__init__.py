"""Scores for video object segmentation, equal to the official evaluators' to the last digit.

Needs NumPy and Pillow only; knows nothing of the models whose masks it scores.
"""
