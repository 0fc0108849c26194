"""Pictures with cameras: sets of views, read and written."""

from .load import load_views, splits
from .views import Views

__all__ = ["Views", "load_views", "splits"]
