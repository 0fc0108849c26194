"""Pictures with cameras: sets of views, read and written."""

from .load import load_views, splits
from .save import save_views
from .views import Views

__all__ = ["Views", "load_views", "save_views", "splits"]
