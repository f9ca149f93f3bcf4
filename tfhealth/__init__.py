"""tfhealth: medical text and image models, trained, compressed, audited and reported. Research software."""

__version__ = "0.1.0"
