"""Producing, checking and finalising blocks: BABE's format and GRANDPA's, cores first."""
