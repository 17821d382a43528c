"""Offences of validators: reported, counted, punished."""

from pallets.offences.ports import Disabling, OnOffence, Unpunished

__all__ = ["Disabling", "OnOffence", "Unpunished"]
