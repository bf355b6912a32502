"""Value objects and entities: what the protocol carries and the services keep."""
