"""requalify: qualify weight conversions and say why one is wrong."""

__version__ = "0.1.0"
