"""The chain's daemon: sans-io cores, thin trio shells, one writer to the database."""
