"""Many playbooks on many machines: who runs what, and one journal again afterwards."""
