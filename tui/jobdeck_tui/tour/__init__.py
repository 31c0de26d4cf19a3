"""The tour: a presentation in chapters, whose steps run real things. Without a screen; see `screens/tour.py`."""
