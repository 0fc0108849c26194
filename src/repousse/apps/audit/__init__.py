"""Every estimator against the truth: `repousse audit`.

scenes.py and shapes.py say what is looked at, directions.py how it moves, truth.py how the picture then changes,
probing.py how an estimator thinks that it does, comparison.py how far the two are apart. measure.py takes one scene
through all of it; report.py and pictures.py show the outcome.
"""

from repousse.apps.audit.command import Audit, audit

__all__ = ["Audit", "audit"]
