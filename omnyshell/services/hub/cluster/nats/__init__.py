"""The engine: NATS with JetStream. Only this room imports `nats`."""
