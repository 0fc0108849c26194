"""Pictures in, textured mesh out: `repousse fit IMAGES`.

command.py is the command. driver.py takes the steps of the stages, with bar, checkpoints (checkpoint.py) and Ctrl-C;
stage.py says what a stage is, shape.py and appearance.py are the two there are. frame.py is the frame they work in.
"""

from repousse.apps.fit.command import Fit, fit

__all__ = ["Fit", "fit"]
