"""JSON-RPC over HTTP and WebSocket, as Substrate nodes speak it."""
