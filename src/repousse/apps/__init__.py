"""Applications: each is a settings dataclass and a function, used by the command line and by `apps.demo`."""
