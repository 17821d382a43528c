"""Voters that agree: in order, under faults, across restarts and changes of the set."""
