"""Data sets as they are downloaded: one file per layout, all of which make a `DataSet`.

Only files that a `DataSet` names as prompts are read for tracking.
"""
