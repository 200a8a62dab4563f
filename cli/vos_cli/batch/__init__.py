"""`vos batch`: many clips, one folder, a report that tells the truth."""
