"""Formats of others in which the bundle says what it knows: CycloneDX, SLSA, RO-Crate, Croissant."""
