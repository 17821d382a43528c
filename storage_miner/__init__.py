"""The storage miner: a daemon that holds fragments, proves them and fills idle space with plots.

Cores decide and do no I/O: `responder`, `deals`, `idle`, `lifecycle`, `restoral`. Shells act:
`service`, `transfer`, `prover_pool`, `chain`, `store`. The guide is docs/guides/storage-miner.md.
"""
