"""The methods by group; the registry collects them from these modules."""
