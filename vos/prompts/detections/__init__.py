"""Boxes of any detector as prompts: COCO, YOLO and MOT files.

`read` tells the formats apart, each has a file of its own, and `first_boxes` makes prompts of them.
"""
