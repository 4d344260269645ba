"""Runs a plan: finds the model, makes the files its cells need, lets probes measure, writes evidence as it comes."""
