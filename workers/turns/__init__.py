"""Which waiting run goes next."""
