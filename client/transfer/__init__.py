"""The road of one file: prepared on the owner's machine, placed with its holders, fetched again."""
