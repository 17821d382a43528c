"""What a data owner needs: the chain client, the vault, placing and fetching, the `cess` command.

Everything here waits with anyio and runs under trio and asyncio alike. Blocking and heavy work is
done in worker threads under named limits.
"""
