"""Figures as PNG, without a window and without the state of pyplot."""

import io
import warnings


def as_png(draw):
    """The PNG of what a function draws on a new Figure, as bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure, content = Figure(), io.BytesIO()
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a font may lack letters of the names of tasks
        draw(figure)
        figure.savefig(content, dpi=150, format="png")
    return content.getvalue()


def gains_png(problem, comparison):
    """The figure of the gain of every task; None if no strategy was compared."""
    if comparison.reference in comparison.failures or len(comparison.finished) < 2:
        return None
    return as_png(lambda figure: comparison.plot(figure, title=problem.name))
