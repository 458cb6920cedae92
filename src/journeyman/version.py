"""Which version of Journeyman this is."""

VERSION = "0.1.0"
