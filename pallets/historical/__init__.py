"""Who had which keys in which past session."""
