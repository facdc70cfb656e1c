"""How the events of other programs become ours: one TOML file each, named by ``--mapping``."""
