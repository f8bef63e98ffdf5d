"""The archive itself: plain Python over pymongo, with no web framework in it."""
